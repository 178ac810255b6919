// SPDX-License-Identifier: Apache-2.0
// Attack: every hypercall number and sub-operation there could be, each with pointers that lead
// nowhere. What does not exist is ENOSYS, what exists refuses or answers, and the guest lives on.
#include "../guest.hpp"

#include <algorithm>
#include <array>

namespace ravelin::guest_test {

namespace {

constexpr i64 not_implemented = -38;
constexpr u64 numbers = 192;
constexpr u64 sub_operations = 96;
/// Not canonical, and as a vCPU's number 256.
constexpr u64 nowhere = 0x8000'0000'0100;
/// [xen/xen.h] memory_op, multicall, set_timer_op, xen_version, console_io, grant_table_op,
/// vm_assist, vcpu_op, sched_op, event_channel_op, physdev_op, hvm_op, domctl; and our own.
constexpr std::array<u64, 14> existing{12, 13, 15, 17, 18, 20, 21, 24, 29, 32, 33, 34, 36, 54};
/// Those without a sub-operation, and memory_op, which keeps its place above the number's bits.
constexpr std::array<u64, 6> take_any{12, 13, 15, 21, 36, 54};
constexpr u64 multicall = 13; // with a small address it would rewrite this guest
constexpr u64 sched_op = 29;
constexpr u64 sched_block = 1; // nobody would wake us

template <usize N> bool has(const std::array<u64, N>& list, u64 number) {
    return std::find(list.begin(), list.end(), number) != list.end();
}

bool must_be_absent(u64 number, u64 sub) {
    constexpr u64 table_width = 64;
    return !has(existing, number) || (sub >= table_width && !has(take_any, number));
}

} // namespace

Verdict guest_main() {
    u64 answered = 0;
    for (u64 number = 0; number < numbers; ++number) {
        for (u64 sub = 0; sub < sub_operations; ++sub) {
            if ((number == sched_op && sub == sched_block) || number == multicall)
                continue;
            const i64 result = hypercall(number, sub, nowhere, nowhere, nowhere, nowhere);
            if (must_be_absent(number, sub) && result != not_implemented) {
                print_value("answered though absent", number << 8 | sub);
                return Verdict::failure;
            }
            answered += result != not_implemented ? 1 : 0;
        }
    }
    print_value("operations that answered", answered);
    constexpr i64 fault = -14;
    if (hypercall(multicall, nowhere, ~u64{0}) != fault)
        return Verdict::failure;
    return hypercall(~u64{0}) == not_implemented ? Verdict::success : Verdict::failure;
}

} // namespace ravelin::guest_test

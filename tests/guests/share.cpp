// SPDX-License-Identifier: Apache-2.0
// Keeps its vCPU busy for a while and says how much of that it waited for a physical CPU.
#include "guest.hpp"

#include <array>

namespace ravelin::guest_test {
namespace {

constexpr u64 hypercall_vcpu_op = 24;
constexpr u64 get_runstate_info = 4; // [xen/vcpu.h]

/// struct vcpu_runstate_info. [xen/vcpu.h]
struct Runstate {
    i32 state;
    u64 entry_time;
    std::array<u64, 4> nanoseconds; ///< running, runnable, blocked, offline
};

Runstate runstate() {
    Runstate out{};
    // SAFETY: identity-mapped argument.
    (void)hypercall(hypercall_vcpu_op, get_runstate_info, 0, reinterpret_cast<u64>(&out));
    return out;
}

} // namespace

Verdict guest_main() {
    print("begun\n");
    const Runstate before = runstate();
    const u64 start = read_tsc();
    while (read_tsc() - start < 1'000'000'000) {
    }
    const Runstate after = runstate();
    print("ended\n");
    const u64 ran = after.nanoseconds[0] - before.nanoseconds[0];
    const u64 waited = after.nanoseconds[1] - before.nanoseconds[1];
    print_value("share.percent", ran * 100 / (ran + waited));
    return after.state == 0 && ran != 0 ? Verdict::success : Verdict::failure;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
#include "guest.hpp"

#include <array>

namespace ravelin::guest_test {

namespace {

struct ExceptionFrame {
    u64 vector;
    u64 error_code;
    u64 rip;
};

u64 fixup = 0;
u64 raised = 0;

struct Gate {
    u16 offset_low;
    u16 selector;
    u8 stack;
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);

Raised take_raised() {
    const u64 vector = raised;
    fixup = 0;
    raised = 0;
    return vector == 0 ? Raised{} : Raised{static_cast<u8>(vector - 1)};
}

constexpr std::array<std::string_view, 4> verdicts{"SUCCESS", "SKIP", "ERROR", "FAILURE"};

} // namespace

void print(std::string_view text) {
    // SAFETY: the hypervisor copies from this address; identity-mapped.
    (void)hypercall(hypercall_console_io, 0, text.size(), reinterpret_cast<u64>(text.data()));
}

void print_number(u64 value) {
    std::array<char, 20> digits{};
    usize at = digits.size();
    do {
        digits[--at] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print({digits.data() + at, digits.size() - at});
}

void print_hex(u64 value) {
    std::array<char, 16> digits{};
    for (usize i = digits.size(); i-- > 0; value >>= 4)
        digits[i] = "0123456789abcdef"[value & 15];
    print({digits.data(), digits.size()});
}

void print_value(std::string_view name, u64 value) {
    print(name);
    print(": ");
    print_number(value);
    print("\n");
}

extern "C" {
extern const std::array<std::array<u8, 16>, 32> exception_stubs;
extern std::array<Gate, 256> interrupt_table;
void guest_main_wrapper();
extern u8* const hypercall_sites_start[];
extern u8* const hypercall_sites_end[];
void guest_exception(ExceptionFrame* frame);
}

void guest_exception(ExceptionFrame* frame) {
    if (fixup == 0) {
        print("unexpected exception ");
        print_number(frame->vector);
        print(" at ");
        print_hex(frame->rip);
        print("\nTest result: ERROR\n");
        u32 reason = 3;
        // SAFETY: identity-mapped argument.
        (void)hypercall(hypercall_sched_op, 2, reinterpret_cast<u64>(&reason));
    }
    frame->rip = fixup;
    raised = frame->vector + 1;
}

void guest_main_wrapper() {
    constexpr u32 genu = 0x756e'6547; // "GenuineIntel"
    if (cpuid(0).ebx == genu)
        for (u8* const* site = hypercall_sites_start; site != hypercall_sites_end; ++site)
            (*site)[2] = 0xc1; // VMCALL
    for (usize i = 0; i < exception_stubs.size(); ++i) {
        // SAFETY: the address of a stub, as a number for its gate.
        const u64 at = reinterpret_cast<u64>(&exception_stubs[i]);
        interrupt_table[i] = Gate{static_cast<u16>(at),
                                  0x08,
                                  0,
                                  0x8e,
                                  static_cast<u16>(at >> 16),
                                  static_cast<u32>(at >> 32),
                                  0};
    }
    const Verdict verdict = guest_main();
    print("Test result: ");
    print(verdicts[static_cast<u8>(verdict)]);
    print("\n");
    u32 reason = 0; // SHUTDOWN_poweroff
    // SAFETY: identity-mapped argument.
    (void)hypercall(hypercall_sched_op, 2, reinterpret_cast<u64>(&reason));
}

// SAFETY of all probes: the exception handler resumes at the label behind the instruction.

Probed probe_read_msr(u32 msr) {
    u32 low = 0;
    u32 high = 0;
    asm volatile("lea 1f(%%rip), %%rax; mov %%rax, %2; rdmsr; 1:"
                 : "=&a"(low), "=&d"(high), "=m"(fixup)
                 : "c"(msr)
                 : "memory");
    return {take_raised(), u64{high} << 32 | low};
}

Raised probe_write_msr(u32 msr, u64 value) {
    asm volatile("lea 1f(%%rip), %%rsi; mov %%rsi, %0; wrmsr; 1:"
                 : "=m"(fixup)
                 : "c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "rsi", "memory");
    return take_raised();
}

Raised probe_xsetbv(u64 value) {
    asm volatile("lea 1f(%%rip), %%rsi; mov %%rsi, %0; xsetbv; 1:"
                 : "=m"(fixup)
                 : "c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "rsi", "memory");
    return take_raised();
}

Raised probe_instruction(std::string_view bytes) {
    static std::array<u8, 16> code;
    usize n = 0;
    for (const char byte : bytes)
        code[n++] = static_cast<u8>(byte);
    code[n] = 0xc3;
    // The return address is popped by hand when the instruction faults.
    asm volatile("mov %%rsp, %%rbx; lea 1f(%%rip), %%rsi; mov %%rsi, %0; xor %%eax, %%eax; "
                 "xor %%ecx, %%ecx; xor %%edx, %%edx; call *%1; 1: mov %%rbx, %%rsp"
                 : "=m"(fixup)
                 : "D"(code.data())
                 : "rax", "rbx", "rcx", "rdx", "rsi", "memory");
    return take_raised();
}

Probed probe_load(u64 address) {
    u32 value = 0;
    asm volatile("lea 1f(%%rip), %%rsi; mov %%rsi, %1; mov (%2), %0; 1:"
                 : "=&a"(value), "=m"(fixup)
                 : "D"(address)
                 : "rsi", "memory");
    return {take_raised(), value};
}

Raised probe_store(u64 address, u32 value) {
    asm volatile("lea 1f(%%rip), %%rsi; mov %%rsi, %0; mov %1, (%2); 1:"
                 : "=m"(fixup)
                 : "a"(value), "D"(address)
                 : "rsi", "memory");
    return take_raised();
}

u64 map_physical(u64 physical) {
    constexpr u64 window = u64{1} << 39; // the second slot of the PML4
    alignas(4096) static std::array<u64, 512> pointers;
    alignas(4096) static std::array<u64, 512> directory;
    u64 root = 0;
    // SAFETY: reads and reloads this guest's own CR3; the tables are identity-mapped and static.
    asm volatile("mov %%cr3, %0" : "=r"(root));
    u64* const top = reinterpret_cast<u64*>(root);
    top[1] = reinterpret_cast<u64>(pointers.data()) | 7;
    pointers[0] = reinterpret_cast<u64>(directory.data()) | 7;
    directory[0] = (physical & ~u64{0x1f'ffff}) | 0x87;
    asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
    return window + (physical & 0x1f'ffff);
}

} // namespace ravelin::guest_test

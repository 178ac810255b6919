// SPDX-License-Identifier: Apache-2.0
// Events and the local APIC in TSC ticks, which under icount (shift 0) are instructions: from
// before the send to the handler's first instruction, and with the handler's EOI and return.
#include "bench_events.hpp"

#include "guest.hpp"

#include <array>

namespace ravelin::guest_test {

extern "C" {
extern u64 interrupt_table[256][2];
volatile u64 handler_reached = 0;
void callback_handler();
void vector_handler();
}

// SAFETY: interrupt handlers that keep every register; the second one acknowledges in the x2APIC.
asm(R"(
    .text
callback_handler:
    pushq %rax
    pushq %rdx
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, handler_reached
    popq %rdx
    popq %rax
    iretq
vector_handler:
    pushq %rax
    pushq %rcx
    pushq %rdx
    xorl %eax, %eax
    xorl %edx, %edx
    movl $0x80b, %ecx
    wrmsr
    movq $1, handler_reached
    popq %rdx
    popq %rcx
    popq %rax
    iretq
)");

namespace {

constexpr u64 memory_op = 12;
constexpr u64 vcpu_op = 24;
constexpr u64 event_channel_op = 32;
constexpr u64 hvm_op = 34;
constexpr u16 self = 0x7ff0;
constexpr u8 callback_vector = 0xf3;
constexpr u8 upcall_vector = 0xf4;
constexpr u64 shared_frame = 0xa0000; // 2.5 GiB: beyond this guest's RAM
constexpr u64 rounds = 1000;

template <typename T> u64 address_of(const T& value) {
    // SAFETY: this guest's memory is identity-mapped.
    return reinterpret_cast<u64>(&value);
}
void write_msr(u32 msr, u64 value) {
    // SAFETY: local APIC registers, as the manual gives them.
    asm volatile("wrmsr"
                 :
                 : "c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32))
                 : "memory");
}
void read_msr(u32 msr) {
    // SAFETY: writes two registers.
    asm volatile("rdmsr" : : "c"(msr) : "eax", "edx");
}
void set_handler(u8 vector, void (*handler)()) {
    // SAFETY: a function's address, as a number for its gate.
    const u64 at = reinterpret_cast<u64>(handler);
    interrupt_table[vector][0] =
        (at & 0xffff) | u64{0x08} << 16 | u64{0x8e} << 40 | (at >> 16 & 0xffff) << 48;
    interrupt_table[vector][1] = at >> 32;
}

/// The shared page as this guest acknowledges in it. [xen/xen.h, struct shared_info]
struct Shared {
    volatile u8* upcall_pending;
    volatile u64* selector;
    volatile u64* pending;
    void acknowledge() const {
        *upcall_pending = 0;
        *selector = 0;
        *pending = 0;
    }
};

Shared map_shared() {
    struct {
        u16 domain;
        u16 size;
        u32 space;
        u64 index;
        u64 frame;
    } const request{self, 0, 0, 0, shared_frame};
    (void)hypercall(memory_op, 7, address_of(request));
    const u64 at = map_physical(shared_frame << 12);
    // SAFETY: the page was mapped above; offsets are those of shared_info and vcpu_info.
    return {reinterpret_cast<volatile u8*>(at),
            reinterpret_cast<volatile u64*>(at + 8),
            reinterpret_cast<volatile u64*>(at + 32 * 64)};
}

template <typename Body> u64 average(Body&& body) {
    body();
    const u64 start = read_tsc();
    for (u64 i = 0; i < rounds; ++i)
        body();
    return (read_tsc() - start) / rounds;
}

} // namespace

void bench_events() {
    const Shared shared = map_shared();
    struct {
        u32 vcpu;
        u32 port;
    } bound{0, 0};
    (void)hypercall(event_channel_op, 7, address_of(bound));
    set_handler(callback_vector, callback_handler);
    set_handler(upcall_vector, vector_handler);
    struct {
        u16 domain;
        u16 padding;
        u32 index;
        u64 value;
    } const callback{self, 0, 0, u64{2} << 56 | callback_vector};
    (void)hypercall(hvm_op, 0, address_of(callback));
    shared.acknowledge();
    asm volatile("sti"); // SAFETY: the handlers above are in place.
    u64 to_handler = 0;
    for (u64 i = 0; i < rounds; ++i) {
        const u64 start = read_tsc();
        (void)hypercall(event_channel_op, 4, address_of(bound.port));
        to_handler += handler_reached - start;
        shared.acknowledge();
    }
    print_value("bench.event.callback", handler_reached == 0 ? 0 : to_handler / rounds);

    write_msr(0x1b, 0xfee0'0d00); // x2APIC, enabled
    write_msr(0x80f, 0x1ff);
    struct {
        u32 vcpu;
        u8 vector;
    } const upcall{0, upcall_vector};
    (void)hypercall(hvm_op, 23, address_of(upcall));
    handler_reached = 0;
    print_value("bench.event.vector_with_eoi", average([&] {
                    (void)hypercall(event_channel_op, 4, address_of(bound.port));
                    shared.acknowledge();
                }));
    if (handler_reached == 0)
        print("the vector did not come\n");
    asm volatile("cli"); // SAFETY: as it was.
    print_value("bench.exit.x2apic_eoi", average([] { write_msr(0x80b, 0); }));
    print_value("bench.exit.rdmsr", average([] { read_msr(0xc000'0080); }));
    struct {
        u64 when;
        u32 flags;
    } const far{u64{1} << 50, 0};
    print_value("bench.exit.set_timer",
                average([&] { (void)hypercall(vcpu_op, 8, 0, address_of(far)); }));
    print_value("bench.exit.yield", average([] { (void)hypercall(hypercall_sched_op, 0); }));
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
#include "micro.hpp"

#include <base/ensure.hpp>

#include <algorithm>
#include <new>

namespace ravelin::hv::micro {
namespace {

void out8(u16 port, u8 value) {
    // SAFETY: COM1 and the emulator's own exit port.
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}
u8 in8(u16 port) {
    u8 value = 0;
    // SAFETY: reads COM1's line status.
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
void put(char c) {
    while ((in8(0x3fd) & 0x20) == 0) { // transmitter holding register empty
    }
    out8(0x3f8, static_cast<u8>(c));
}
void open_serial() {
    out8(0x3fb, 0x83); // DLAB, 8 bits
    out8(0x3f8, 1);    // 115200 baud
    out8(0x3f9, 0);
    out8(0x3fb, 0x03);
}
void on_ensure(const char* what, const SourceLocation&) {
    print("ensure: ");
    print(what);
    print("\n");
    finish(false);
}

} // namespace

void print(std::string_view text) {
    for (const char c : text)
        put(c);
}

void print_hex(u64 value) {
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        put("0123456789abcdef"[(value >> shift) & 15]);
}

void finish(bool passed) {
    print(name);
    print(passed ? ": PASS\n" : ": FAIL\n");
    while ((in8(0x3fd) & 0x40) == 0) { // transmitter empty: the last byte is out
    }
    if (passed)
        out8(0x8900, 'D');
    for (const char c : std::string_view{"Shutdown"})
        out8(0x8900, static_cast<u8>(c));
    for (;;)
        asm volatile("hlt"); // SAFETY: nothing is left to do.
}

void expect(bool holds, std::string_view what) {
    print(holds ? "  ok    " : "  WRONG ");
    print(what);
    print("\n");
    if (!holds)
        finish(false);
}

void expect_equal(u64 found, u64 wanted, std::string_view what) {
    if (found != wanted) {
        print("  found ");
        print_hex(found);
        print(", not ");
        print_hex(wanted);
        print("\n");
    }
    expect(found == wanted, what);
}

Result<HostFrame, TableMemoryError> LowMemory::allocate() {
    if (next_ == last_)
        return Failure{TableMemoryError::out_of_frames};
    const HostFrame frame{next_++};
    std::fill_n(page(frame).data(), 512, u64{0});
    return frame;
}

TablePage LowMemory::page(HostFrame frame) {
    // SAFETY: frames of allocate() lie in identity-mapped RAM that nothing else uses.
    return TablePage{reinterpret_cast<u64*>(frame.address().raw()), 512};
}

HostFrame LowMemory::frame() {
    const auto made = allocate();
    if (!made)
        expect(false, "a frame");
    return made.value();
}

Guest::Guest(vmx::Host& host, LowMemory& memory, std::span<const u8> program, u64 hole)
    : table{{stage2::Format::extended_page_tables, stage2::LargestPage::size_4k}, memory} {
    ensure(table.initialise().is_ok(), "an EPT root");
    for (u64 i = 0; i < pages; ++i) {
        const HostFrame frame = memory.frame();
        if (i == 0)
            first_ = frame;
        ensure(frame.raw() == first_.raw() + i, "frames one after the other");
    }
    for (u64 i = 0; i < pages; ++i)
        if (i << page_shift != hole)
            map(i << page_shift, HostFrame{first_.raw() + i}, Access::all);
    ensure(program.size() <= (pages << page_shift) - program_at, "a program that fits");
    // SAFETY: the frames allocated above, one after the other.
    auto* const to = reinterpret_cast<u8*>(first_.address().raw() + program_at);
    std::copy(program.begin(), program.end(), to);
    ensure(cpu.initialise(host, memory, table.root()).is_ok(), "a vCPU");
    cpu.reset_to_flat_protected_mode(static_cast<u32>(program_at));
}

Guest& make_guest(vmx::Host& host, LowMemory& memory, std::span<const u8> program, u64 hole) {
    static_assert(sizeof(Guest) <= page_size);
    void* const at = memory.page(memory.frame()).data();
    return *new (at) Guest{host, memory, program, hole};
}

u64& Guest::word(u64 address) {
    // SAFETY: inside the guest's frames, which are identity-mapped.
    return *reinterpret_cast<u64*>(first_.address().raw() + address);
}

HostFrame Guest::frame_of(u64 guest) const {
    const auto found = table.translate(GuestPhysical{guest});
    ensure(found.has_value(), "a page that is mapped");
    return HostFrame::of(found->address);
}

void Guest::map(u64 guest, HostFrame frame, Access access) {
    ensure(table
               .map(GuestPhysical{guest},
                    frame.address(),
                    Bytes{page_size},
                    access,
                    stage2::MemoryType::write_back)
               .is_ok(),
           "map");
}

void Guest::unmap(u64 guest) {
    ensure(table.unmap_page(GuestPhysical{guest}, frame_of(guest).address()).is_ok(), "unmap");
}

void Guest::protect(u64 guest, Access access) {
    const HostFrame frame = frame_of(guest);
    unmap(guest);
    map(guest, frame, access);
}

void Guest::expect_mark(u64 mark, std::string_view what) {
    (void)expect_exit<cpu::HypercallExit>(run(), what);
    expect_equal(registers[cpu::Register::rbx], mark, what);
    cpu.skip(3);
}

} // namespace ravelin::hv::micro

extern "C" [[noreturn]] void unexpected_interrupt() {
    ravelin::hv::micro::print("an interrupt or exception in the host\n");
    ravelin::hv::micro::finish(false);
}

extern "C" void run_micro_test() {
    using namespace ravelin;
    using namespace ravelin::hv;
    set_ensure_handler(micro::on_ensure);
    micro::open_serial();
    static micro::LowMemory memory;
    static vmx::Host host;
    constexpr u64 longest_run = 100'000; // TSC ticks
    const auto enabled = host.enable(memory, longest_run);
    if (!enabled)
        micro::print(vmx::describe(enabled.error()));
    micro::expect(enabled.is_ok(), "VMX operation");
    micro::run(host, memory);
    micro::finish(true);
}

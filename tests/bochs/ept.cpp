// SPDX-License-Identifier: Apache-2.0
// EPT violations of each kind, and what the CPU keeps of translations until it is told to forget
// them: INVEPT, INVVPID, VPIDs that nobody shares.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_touch)

namespace ravelin::hv::micro {

const char* const name = "vmx.ept";

namespace {

using cpu::Register;
using During = cpu::Stage2FaultExit::During;

constexpr u64 target = 0x5000;
constexpr u64 directory = 0x6000;
constexpr u64 page_table = 0x7000;
constexpr u64 data = 0x3000;

void expect_fault(Guest& guest, u64 at, Access wanted, During during, std::string_view what) {
    const auto fault = expect_exit<cpu::Stage2FaultExit>(guest.run(), what);
    expect_equal(fault.address.raw(), at, what);
    expect(fault.wanted == wanted, "  for that access");
    expect(fault.during == during, "  at that moment");
}

void violations(Guest& guest) {
    guest.protect(target, Access::read);
    guest.word(target) = 0x41;
    guest.expect_mark(1, "a readable page is read");
    expect_equal(guest.registers[Register::rax], 0x41, "what it holds");
    guest.cpu.flush_translations();
    expect_fault(guest, target + 8, Access::write, During::access, "a write to a read-only page");
    guest.protect(target, Access::read_write);
    guest.cpu.flush_translations();
    guest.expect_mark(2, "the write is done when it may be");
    expect_equal(guest.word(target + 8), 0x77, "what was written");
    guest.word(target + 0x100) = 0xc3c1010f; // vmcall; ret
    expect_fault(
        guest, target + 0x100, Access::execute, During::access, "a fetch from a page without it");
    guest.protect(target, Access::all);
    guest.cpu.flush_translations();
    guest.registers[Register::rbx] = 3;
    guest.expect_mark(3, "the fetch is done when it may be");
    guest.expect_mark(4, "and returns");
}

void walks(Guest& guest) {
    guest.word(directory) = page_table | 7;
    const HostFrame table = guest.frame_of(page_table);
    u64* const entries = &guest.word(page_table);
    for (u64 i = 0; i < Guest::pages / 2; ++i) // 32-bit entries
        entries[i] = (2 * i << page_shift | 7) | ((2 * i + 1) << page_shift | 7) << 32;
    guest.unmap(page_table);
    guest.cpu.flush_translations();
    // The entry of the page that the guest's code is in.
    expect_fault(
        guest, page_table + 4, Access::read, During::page_walk, "a page table that is not there");
    guest.map(page_table, table, Access::all);
    guest.cpu.flush_translations();
    guest.expect_mark(5, "paging goes on when it is");
    expect((guest.word(page_table + 8) >> 32 & 0x20) != 0, "the accessed bit is set");
    guest.expect_mark(6, "a write through page tables");
    expect((guest.word(page_table + 8) >> 32 & 0x40) != 0, "the dirty bit is set");
}

void cached_translations(Guest& guest, LowMemory& memory) {
    guest.word(data) = 0x11;
    guest.expect_mark(7, "read through the page tables");
    expect_equal(guest.registers[Register::rax], 0x11, "the first page");
    const HostFrame other = memory.frame();
    memory.page(other)[0] = 0x22;
    guest.unmap(data);
    guest.map(data, other, Access::all);
    guest.cpu.flush_translations();
    guest.expect_mark(7, "after INVEPT");
    expect_equal(guest.registers[Register::rax], 0x22, "the page that is mapped now");
    guest.unmap(data);
    guest.cpu.flush_translations();
    expect_fault(guest, data, Access::read, During::access, "a page that is gone, after INVEPT");
    guest.map(data, other, Access::all);
}

void vpids(vmx::Host& host, Guest& first, LowMemory& memory) {
    const u64 flushes = first.cpu.counters().tlb_flushes;
    const u16 before = vmx::vmread<vmx::field::vpid>();
    expect(before != 0, "the guest has a VPID");
    first.cpu.unload();
    first.cpu.load();
    expect_equal(vmx::vmread<vmx::field::vpid>(), before, "the same one after a pause");
    expect_equal(first.cpu.counters().tlb_flushes, flushes, "and nothing was flushed");
    first.cpu.unload();

    Guest& second = make_guest(host, memory, guest_touch_program());
    second.cpu.load();
    expect(vmx::vmread<vmx::field::vpid>() != before, "another guest has another");
    second.cpu.unload();
    // A VPID comes again when all were used; whoever has an old one gets a new one, and a flush.
    const u64 generation = host.generation();
    for (u32 i = 0; i < 0x10000; ++i)
        (void)host.take_vpid();
    expect(host.generation() != generation, "65,535 VPIDs on, a generation begins");
    first.cpu.load();
    expect(first.cpu.counters().tlb_flushes > flushes, "the first guest's is new, and flushed");
    first.expect_mark(7, "it runs on");
    expect_equal(first.registers[Register::rax], 0x22, "with its own memory");
    first.cpu.unload();
}

void misconfiguration(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_touch_program());
    // A table entry that no one may write: writable, not readable.
    HostFrame table = HostFrame::of(guest.table.root());
    for (unsigned level = 4; level > 1; --level)
        table = HostFrame::of(HostPhysical{memory.page(table)[0] & 0x000f'ffff'ffff'f000});
    u64& entry = memory.page(table)[target >> page_shift];
    entry = (entry & ~u64{7}) | 2;
    guest.cpu.load();
    const auto failed =
        expect_exit<cpu::FailedExit>(guest.run(), "an entry the CPU does not understand");
    expect_equal(failed.raw & 0xffff, 49, "EPT misconfiguration");
    guest.cpu.unload();
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_touch_program());
    guest.cpu.load();
    violations(guest);
    walks(guest);
    cached_translations(guest, memory);
    vpids(host, guest, memory);
    misconfiguration(host, memory);
}

} // namespace ravelin::hv::micro

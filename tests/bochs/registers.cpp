// SPDX-License-Identifier: Apache-2.0
// Control registers: what the host owns of CR0 and CR4 looks to the guest as it wrote it, what no
// guest may have is refused, and the way to long mode is the CPU's own. MSRs and CR8 without exits.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_registers)

namespace ravelin::hv::micro {

const char* const name = "vmx.registers";

namespace {

using cpu::Register;

void expect_protection(Guest& guest, std::string_view what) {
    const auto exit = expect_exit<cpu::ReflectedExceptionExit>(guest.run(), what);
    expect(exit.exception == cpu::Exception::general_protection, "  as #GP");
    guest.cpu.skip(3); // MOV to a control register
}

void control_registers(Guest& guest) {
    guest.expect_mark(1, "CR0 is read without an exit");
    expect_equal(guest.registers[Register::rax], 0x11, "as the PVH entry state has it");
    (void)expect_exit<cpu::ResumeExit>(guest.run(), "CD and NW are the host's");
    guest.expect_mark(2, "the write is done again, without an exit");
    expect_equal(guest.registers[Register::rax], 0x60000011, "and looks done");
    expect_equal(vmx::vmread<vmx::field::guest_cr0>() & 0x60000000, 0, "the caches are on");
    expect_equal(guest.cpu.paging_state().cr0, 0x60000011, "the rest of us sees the guest's view");
    expect_protection(guest, "NW without CD");
    guest.expect_mark(3, "the guest goes on");
    (void)expect_exit<cpu::ResumeExit>(guest.run(), "CD, NW off and NE on");
    guest.expect_mark(4, "done again");
    expect_equal(guest.registers[Register::rax], 0x31, "and looks done");
    expect_protection(guest, "CR4.VMXE");
    guest.expect_mark(5, "the guest goes on");
    guest.expect_mark(6, "CR4.PAE without an exit");
    expect_equal(guest.registers[Register::rax], 0x20, "and CR4.VMXE is not seen");
    expect_equal(guest.cpu.cr4(), 0x20, "by us neither");
}

void long_mode(Guest& guest) {
    // Tables of one 2 MiB page: 6000h, 7000h, 8000h.
    guest.word(0x6000) = 0x7003;
    guest.word(0x7000) = 0x8003;
    guest.word(0x8000) = 0x83;
    (void)expect_exit<cpu::MsrWriteExit>(guest.run(), "EFER's write exits");
    guest.cpu.set_efer(guest.registers[Register::rax]);
    guest.cpu.skip(2);
    (void)expect_exit<cpu::ResumeExit>(guest.run(), "paging, with bits of the host's beside it");
    guest.expect_mark(7, "64-bit code");
    expect_equal(guest.registers[Register::rax], 0xe0000011, "CR0 as written");
    expect(guest.cpu.in_64bit_kernel(), "in long mode, CPL 0");
    expect_equal(guest.cpu.efer(), 0x500, "LME and LMA");
    guest.expect_mark(8, "a system-call MSR written and read without an exit");
    expect_equal(guest.registers[Register::rax], 0x1234, "what was written");
    guest.expect_mark(9, "CR8 without an exit");
    expect_equal(guest.cpu.task_priority(), 9, "which we read");
    guest.cpu.unload();
    constexpr u32 kernel_gs_base = 0xc0000102;
    u32 low = 0;
    u32 high = 0;
    // SAFETY: an MSR the host does not use.
    asm volatile("wrmsr" ::"c"(kernel_gs_base), "a"(0), "d"(0));
    guest.cpu.load();
    // SAFETY: as above.
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(kernel_gs_base));
    expect_equal(low, 0x1234, "the MSR comes back with the vCPU");
    (void)expect_exit<cpu::HaltExit>(guest.run(), "the end");
    guest.cpu.unload();
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_registers_program());
    guest.cpu.load();
    control_registers(guest);
    long_mode(guest);
}

} // namespace ravelin::hv::micro

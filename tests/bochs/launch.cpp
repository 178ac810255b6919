// SPDX-License-Identifier: Apache-2.0
// The CPU interface on VMX, proved: a guest executes one instruction of each common kind, and each
// exit is what cpu::Exit says it is; real mode; a vCPU that moves to another VPID and back.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_exits)
RAVELIN_GUEST_PROGRAM(guest_real)

namespace ravelin::hv::micro {

const char* const name = "vmx.launch";

namespace {

using cpu::Register;

void every_exit(vmx::Host& host, LowMemory& memory) {
    constexpr u64 hole = 0x5000;
    Guest& guest = make_guest(host, memory, guest_exits_program(), hole);
    guest.cpu.load();
    (void)expect_exit<cpu::CpuidExit>(guest.run(), "VMLAUNCH, then CPUID exits");
    expect(guest.registers[Register::rax] == 0x40000000, "the guest's EAX arrived");
    expect(guest.cpu.rip() == 0x1005, "RIP is the CPUID");
    guest.registers[Register::rbx] = 0x1000;
    guest.cpu.skip(2);

    const auto io = expect_exit<cpu::IoExit>(guest.run(), "VMRESUME, then OUT exits");
    expect(io.port == 0x80 && io.size == 1 && io.direction == cpu::IoDirection::out &&
               io.form == cpu::IoForm::single,
           "port, size, direction and form");
    expect((guest.registers[Register::rax] & 0xff) == 0x5a, "the byte written");
    expect(guest.registers[Register::rbx] == 0x1001, "the guest added to what CPUID gave it");
    guest.cpu.set_next_rip(io.next_rip);

    const auto fault = expect_exit<cpu::Stage2FaultExit>(guest.run(), "a hole exits");
    expect(fault.address.raw() == hole && fault.wanted == Access::read, "where and what");
    const HostFrame page = memory.frame();
    memory.page(page)[0] = 0x41;
    guest.map(hole, page, Access::read);

    // The vCPU is taken off and put back: its VMCS is launched again.
    guest.cpu.unload();
    guest.cpu.load();
    guest.expect_mark(0x1042, "VMLAUNCH again; the load was done again");

    (void)expect_exit<cpu::UndefinedOpcodeExit>(guest.run(), "UD2 exits");
    guest.cpu.skip(2);
    (void)expect_exit<cpu::HaltExit>(guest.run(), "HLT exits");
    guest.cpu.skip(1);
    const auto vmxoff =
        expect_exit<cpu::ReflectedExceptionExit>(guest.run(), "VMXOFF in the guest exits");
    expect(vmxoff.exception == cpu::Exception::undefined_opcode, "as a #UD of its own");
    expect(!guest.cpu.interrupts_enabled() && !guest.cpu.can_take_interrupt(),
           "interrupts are off as after reset");
    guest.cpu.inject_exception(cpu::Exception::general_protection, 0);
    (void)expect_exit<cpu::ShutdownExit>(guest.run(),
                                         "an exception without an IDT is a triple fault");
    expect(guest.cpu.counters().world_switches == 8, "eight world switches");
    guest.cpu.unload();
}

void real_mode(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_real_program());
    guest.cpu.reset_to_start_up(Vector{1}); // not loaded: done at load()
    guest.cpu.load();
    guest.expect_mark(1, "real mode, by an unrestricted guest");
    expect_equal(guest.registers[Register::rax] & 0xffff, 0x100, "CS is the vector's page");
    expect(guest.cpu.code_size() == cpu::CodeSize::bits16, "16-bit code");
    const auto io = expect_exit<cpu::IoExit>(guest.run(), "IN exits");
    expect(io.port == 0x1000 && io.direction == cpu::IoDirection::in, "port and direction");
    guest.cpu.set_next_rip(io.next_rip);
    (void)expect_exit<cpu::HaltExit>(guest.run(), "HLT exits");
    guest.cpu.unload();
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    every_exit(host, memory);
    real_mode(host, memory);
}

} // namespace ravelin::hv::micro

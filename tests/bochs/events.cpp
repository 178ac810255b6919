// SPDX-License-Identifier: Apache-2.0
// Events of the guest: exceptions with error codes, interrupts when the guest can take them and not
// before, the window, events whose delivery an exit interrupted, NMIs, debug exceptions.
#include "micro.hpp"

RAVELIN_GUEST_PROGRAM(guest_events)
extern "C" const ravelin::u8 guest_events_after_shadow[];

namespace ravelin::hv::micro {

const char* const name = "vmx.events";

namespace {

using cpu::Register;

constexpr Vector interrupt{0x40};
constexpr u64 hole = 0x3000;

void exceptions(Guest& guest) {
    guest.expect_mark(1, "the guest's own tables are loaded");
    guest.cpu.inject_exception(cpu::Exception::general_protection, 0x1230);
    guest.expect_mark(0xdd, "#GP is delivered");
    expect_equal(guest.registers[Register::rax], 0x1230, "with its error code");
    expect(!guest.cpu.has_event(), "once");
    guest.expect_mark(2, "and the guest returns from it");
}

void windows(Guest& guest) {
    guest.expect_mark(3, "interrupts are off");
    expect(!guest.cpu.can_take_interrupt(), "none can be taken");
    guest.cpu.request_interrupt_window(cpu::InterruptWindow::wanted);
    (void)expect_exit<cpu::InterruptWindowExit>(guest.run(), "the window opens");
    // SAFETY: the label is a number.
    expect_equal(guest.cpu.rip(),
                 reinterpret_cast<u64>(guest_events_after_shadow),
                 "one instruction behind STI");
    expect(guest.cpu.can_take_interrupt(), "an interrupt can be taken");
    guest.cpu.inject_interrupt(interrupt);
    expect(guest.cpu.has_event() && !guest.cpu.can_take_interrupt(), "one at a time");
    guest.expect_mark(0xe0, "it is delivered");
    // SAFETY: as above.
    expect_equal(
        guest.registers[Register::rax], reinterpret_cast<u64>(guest_events_after_shadow), "there");
    guest.expect_mark(4, "and the guest returns; the window's request was spent");
}

void interrupted_delivery(Guest& guest, LowMemory& memory) {
    guest.expect_mark(5, "a stack in a page that is not there");
    guest.cpu.inject_interrupt(interrupt);
    const auto fault =
        expect_exit<cpu::Stage2FaultExit>(guest.run(), "the delivery needs the page");
    expect(fault.address.raw() >> page_shift == hole >> page_shift && fault.wanted == Access::write,
           "to write its frame");
    expect(guest.cpu.has_event(), "the interrupt is still to be delivered");
    const HostFrame page = memory.frame();
    guest.map(hole, page, Access::all);
    guest.expect_mark(0xe0, "it is, at the next entry");
    guest.expect_mark(6, "and the guest returns");
}

void nmi(Guest& guest) {
    guest.cpu.inject_exception(cpu::Exception::nmi, std::nullopt);
    guest.expect_mark(0xd2, "an NMI is delivered");
    guest.expect_mark(7, "and the guest returns from it");
}

void software_interrupt(Guest& guest) {
    // The gate's handler runs on the same stack: take the page away below it.
    guest.protect(0x7000, Access::read);
    guest.cpu.flush_translations();
    const u64 at = guest.cpu.rip();
    (void)expect_exit<cpu::Stage2FaultExit>(guest.run(), "INT 41h needs a page it may not write");
    expect(guest.cpu.has_event(), "it is still to be delivered");
    guest.protect(0x7000, Access::all);
    guest.cpu.flush_translations();
    guest.expect_mark(0xe1, "it is, once");
    expect_equal(guest.registers[Register::rax], at + 2, "and returns behind the instruction");
    guest.expect_mark(8, "the guest goes on");
}

void debug_exceptions(Guest& guest) {
    const auto exit = expect_exit<cpu::ReflectedExceptionExit>(guest.run(), "a single step exits");
    expect(exit.exception == cpu::Exception::debug, "as #DB");
    guest.cpu.inject_exception(exit.exception, exit.error_code);
    guest.expect_mark(0xd1, "the guest gets it");
    expect((guest.registers[Register::rax] & 0x4000) != 0, "DR6 says single step");
    guest.expect_mark(9, "and returns from it");
    (void)expect_exit<cpu::ResumeExit>(guest.run(), "INT1 is handed on");
    guest.expect_mark(0xd1, "the guest gets it");
    guest.expect_mark(10, "and returns behind it");
    (void)expect_exit<cpu::UndefinedOpcodeExit>(guest.run(), "UD2 exits");
    guest.cpu.inject_exception(cpu::Exception::undefined_opcode, std::nullopt);
    guest.expect_mark(0xd6, "the guest gets its #UD");
    (void)expect_exit<cpu::HaltExit>(guest.run(), "the end");
}

} // namespace

void run(vmx::Host& host, LowMemory& memory) {
    Guest& guest = make_guest(host, memory, guest_events_program(), hole);
    guest.cpu.load();
    exceptions(guest);
    windows(guest);
    interrupted_delivery(guest, memory);
    nmi(guest);
    software_interrupt(guest);
    debug_exceptions(guest);
    guest.cpu.unload();
}

} // namespace ravelin::hv::micro

// SPDX-License-Identifier: Apache-2.0
#include <hv/svm/virtual_interrupt.hpp>

namespace ravelin::hv::svm {

namespace {

enum class Intercepted : u8 { no, yes };

void touch(ControlArea& control, Clean group) {
    control.vmcb_clean &= ~u64{static_cast<u32>(group)};
}

void intercept(ControlArea& control, u32 what, Intercepted intercepted) {
    const u32 next =
        intercepted == Intercepted::yes ? control.intercept1 | what : control.intercept1 & ~what;
    if (next == control.intercept1)
        return;
    control.intercept1 = next;
    touch(control, Clean::intercepts);
}

} // namespace

void VirtualInterruptLine::pend(ControlArea& control, Vector vector) {
    u64& interrupt = control.virtual_interrupt;
    interrupt = VirtualInterrupt::Irq::set(interrupt, true);
    interrupt = VirtualInterrupt::Priority::set(interrupt, 15);
    interrupt = VirtualInterrupt::IgnoreTpr::set(interrupt, true);
    interrupt = VirtualInterrupt::Vector::set(interrupt, vector.raw());
    touch(control, Clean::interrupt_control);
}

void VirtualInterruptLine::withdraw(ControlArea& control) {
    u64& interrupt = control.virtual_interrupt;
    interrupt = VirtualInterrupt::Irq::set(interrupt, false);
    interrupt = VirtualInterrupt::Priority::set(interrupt, 0);
    interrupt = VirtualInterrupt::IgnoreTpr::set(interrupt, false);
    touch(control, Clean::interrupt_control);
}

void VirtualInterruptLine::deliver(ControlArea& control, Vector vector) {
    on_its_way_ = true;
    intercept(control, Intercept1::Vintr::mask, Intercepted::no);
    pend(control, vector);
}

void VirtualInterruptLine::request_window(ControlArea& control, cpu::InterruptWindow window) {
    const bool wanted = window == cpu::InterruptWindow::wanted;
    if (on_its_way_)
        return intercept(
            control, Intercept1::Iret::mask, wanted ? Intercepted::yes : Intercepted::no);
    if (VirtualInterrupt::Irq::get(control.virtual_interrupt) == wanted)
        return;
    if (!wanted)
        return withdraw(control);
    intercept(control, Intercept1::Vintr::mask, Intercepted::yes);
    pend(control, Vector{});
}

void VirtualInterruptLine::settle(ControlArea& control) {
    if (!on_its_way_)
        return;
    if (Event::Valid::get(control.eventinj) &&
        Event::TypeField::get(control.eventinj) == Event::Type::external_interrupt) {
        // Its delivery was broken off (a nested page fault).
        pend(control, Vector{Event::Vector::get(control.eventinj)});
        control.eventinj = 0;
        return;
    }
    if (VirtualInterrupt::Irq::get(control.virtual_interrupt))
        return; // the exit came first
    on_its_way_ = false;
    const bool another_waits = Intercept1::Iret::get(control.intercept1);
    intercept(control, Intercept1::Iret::mask, Intercepted::no);
    if (another_waits)
        request_window(control, cpu::InterruptWindow::wanted);
}

void VirtualInterruptLine::reset(ControlArea& control) {
    on_its_way_ = false;
    intercept(control, Intercept1::Iret::mask, Intercepted::no);
    withdraw(control);
}

} // namespace ravelin::hv::svm

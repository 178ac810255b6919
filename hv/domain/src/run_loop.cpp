// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/run_loop.hpp>

namespace ravelin::hv::domain {

RunLoop::RunLoop(Vcpu& vcpu, PhysicalCpu& physical, const CpuidPolicy& policy)
    : vcpu_{vcpu}, domain_{vcpu.domain()}, cpu_{vcpu.cpu()},
      registers_{vcpu.registers()}, physical_{physical}, policy_{policy} {}

StopReport RunLoop::run() {
    cpu_.load();
    while (domain_.running()) {
        prepare_entry();
        handle(cpu_.run(registers_));
    }
    physical_.set_timer(std::nullopt);
    cpu_.unload();
    report_.reason = domain_.stop_reason().value_or(StopReason::fault);
    report_.rip = cpu_.rip();
    return report_;
}

void RunLoop::fail(const char* what, u64 detail) {
    report_.what = what;
    report_.detail = detail;
    domain_.stop(StopReason::fault);
}

void RunLoop::prepare_entry() {
    // CR8 is the one piece of interrupt state a guest changes without an exit.
    if (const u8 now = cpu_.task_priority(); now != task_priority_) [[unlikely]] {
        task_priority_ = now;
        vcpu_.lapic().set_task_priority(now);
        attention_ = true;
    }
    const bool lapic_changed = vcpu_.lapic().take_changed();
    if (vcpu_.take_attention() || lapic_changed || attention_)
        look_at_events();
}

void RunLoop::look_at_events() {
    attention_ = false;
    check_timers();
    if (vcpu_.take_event_check())
        domain_.guest_abi().deliver_events(vcpu_);
    offer_interrupt();
    arm_timer();
}

std::optional<Vector> RunLoop::pending_interrupt() const {
    if (const auto upcall = vcpu_.pending_upcall())
        return upcall;
    return vcpu_.lapic().pending_vector();
}

void RunLoop::offer_interrupt() {
    if (const u8 priority = vcpu_.lapic().task_priority(); priority != task_priority_) {
        task_priority_ = priority;
        cpu_.set_task_priority(priority);
    }
    const auto vector = pending_interrupt();
    if (!vector)
        return;
    if (!cpu_.can_take_interrupt()) {
        cpu_.request_interrupt_window(cpu::InterruptWindow::wanted);
        return;
    }
    cpu_.request_interrupt_window(cpu::InterruptWindow::not_wanted);
    cpu_.inject_interrupt(*vector);
    if (vcpu_.pending_upcall())
        vcpu_.clear_upcall();
    else
        vcpu_.lapic().accept(*vector);
    if (pending_interrupt())
        cpu_.request_interrupt_window(cpu::InterruptWindow::wanted);
}

void RunLoop::check_timers() {
    const cpu::Tsc now = physical_.now();
    // The physical timer is one-shot: once its time has come it must be set anew.
    if (armed_ && *armed_ <= now)
        armed_.reset();
    if (const auto deadline = vcpu_.timer_deadline(); deadline && *deadline <= now) {
        vcpu_.set_timer_deadline(std::nullopt);
        domain_.guest_abi().timer_expired(vcpu_);
    }
    if (const auto deadline = vcpu_.lapic().deadline(); deadline && *deadline <= now)
        vcpu_.lapic().expire(now);
}

void RunLoop::arm_timer() {
    auto next = vcpu_.timer_deadline();
    if (const auto lapic = vcpu_.lapic().deadline(); lapic && (!next || *lapic < *next))
        next = lapic;
    if (next == armed_)
        return;
    armed_ = next;
    physical_.set_timer(next);
}

void RunLoop::handle(const cpu::Exit& exit) {
    // These three ask for attention themselves if what they reach changes events or timers.
    if (std::holds_alternative<cpu::HypercallExit>(exit))
        return handle_hypercall();
    if (std::holds_alternative<cpu::CpuidExit>(exit))
        return handle_cpuid();
    if (const auto* io = std::get_if<cpu::IoExit>(&exit))
        return handle_port(*io);
    attention_ = true;
    if (std::holds_alternative<cpu::MsrWriteExit>(exit))
        return handle_msr_write();
    if (std::holds_alternative<cpu::HaltExit>(exit))
        return handle_halt();
    if (std::holds_alternative<cpu::HostInterruptExit>(exit)) {
        ++counters_.host_interrupts;
        armed_.reset(); // a long wait comes in steps, each armed anew
        return physical_.service_interrupts();
    }
    if (std::holds_alternative<cpu::InterruptWindowExit>(exit)) {
        ++counters_.interrupt_windows;
        return;
    }
    if (const auto* fault = std::get_if<cpu::Stage2FaultExit>(&exit))
        return handle_stage2_fault(*fault);
    handle_rare(exit);
}

void RunLoop::handle_rare(const cpu::Exit& exit) {
    if (std::holds_alternative<cpu::MsrReadExit>(exit))
        return handle_msr_read();
    ++counters_.others;
    if (std::holds_alternative<cpu::XsetbvExit>(exit))
        return handle_xsetbv();
    if (std::holds_alternative<cpu::UndefinedOpcodeExit>(exit))
        return handle_undefined_opcode();
    if (const auto* reflected = std::get_if<cpu::ReflectedExceptionExit>(&exit))
        return cpu_.inject_exception(reflected->exception, reflected->error_code);
    if (std::holds_alternative<cpu::CacheFlushExit>(exit)) {
        physical_.flush_caches();
        return cpu_.skip(2);
    }
    if (std::holds_alternative<cpu::ShutdownExit>(exit))
        return fail("triple fault");
    if (const auto* failed = std::get_if<cpu::FailedExit>(&exit))
        return fail("an exit nobody asked for, or a refused state", failed->raw);
}

} // namespace ravelin::hv::domain

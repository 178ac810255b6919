// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/run_loop.hpp>

namespace ravelin::hv::domain {

RunLoop::RunLoop(Vcpu& vcpu, PhysicalCpu& physical, const CpuidPolicy& policy)
    : vcpu_{vcpu}, domain_{vcpu.domain()}, cpu_{vcpu.cpu()},
      registers_{vcpu.registers()}, physical_{physical}, policy_{policy} {}

inline std::optional<Vector> RunLoop::pending_interrupt() const {
    if (const auto upcall = vcpu_.pending_upcall())
        return upcall;
    return vcpu_.lapic().pending_vector();
}

inline bool RunLoop::ready_to_enter() {
    // CR8 is the one piece of interrupt state a guest changes without an exit.
    if (const u8 now = cpu_.task_priority(); now != task_priority_) [[unlikely]] {
        task_priority_ = now;
        vcpu_.lapic().set_task_priority(now);
        attention_ = true;
    }
    for (;;) {
        if ((attention_ || vcpu_.has_attention()) && !look())
            return false;
        // Whoever asks for attention from here on sees a vCPU in its guest and interrupts it.
        vcpu_.entering_guest();
        if (!vcpu_.has_attention()) [[likely]]
            return true;
        vcpu_.left_guest();
    }
}

Leave RunLoop::run(const Turn& turn) {
    turn_ = &turn;
    armed_ = {};
    attention_ = true;
    cpu_.load();
    vcpu_.set_poll_deadline(std::nullopt);
    domain_.clear_polling(vcpu_.id());
    domain_.guest_abi().turn_begins(vcpu_);
    while (ready_to_enter()) {
        const cpu::Exit exit = cpu_.run(registers_);
        vcpu_.left_guest();
        handle(exit);
    }
    cpu_.unload();
    return leave_;
}

bool RunLoop::leave(Leave why) {
    leave_ = why;
    return false;
}

void RunLoop::fail(const char* what, u64 detail) {
    domain_.stop(StopReport{StopReason::fault, what, cpu_.rip(), detail});
}

/// What was asked for and no more, if that is one thing: the others are as they were at the entry.
bool RunLoop::look() {
    if (attention_)
        return look_at_everything();
    switch (vcpu_.asked()) {
    case Vcpu::events:
        (void)vcpu_.take_attention(Vcpu::events);
        if (vcpu_.take_event_check())
            domain_.guest_abi().deliver_events(vcpu_);
        offer_interrupt();
        return true;
    case Vcpu::timers: {
        (void)vcpu_.take_attention(Vcpu::timers);
        const cpu::Tsc now = physical_.now();
        arm_timer(expire_timers(now), now); // what expires asks for attention
        return true;
    }
    default:
        return look_at_everything();
    }
}

bool RunLoop::look_at_everything() {
    attention_ = false;
    // Timers first: what expires asks for attention, which is taken below.
    const cpu::Tsc now = physical_.now();
    const auto next = expire_timers(now);
    vcpu_.stir();
    if ((vcpu_.take_attention(Vcpu::everything) & Vcpu::flush) != 0)
        cpu_.flush_translations();
    if (!domain_.may_run())
        return leave(domain_.running() ? Leave::blocked : Leave::stopped);
    act_on_start_up();
    if (vcpu_.take_event_check())
        domain_.guest_abi().deliver_events(vcpu_);
    if (!is_awake())
        return leave(domain_.running() ? Leave::blocked : Leave::stopped);
    if (const auto why = act_on_rest())
        return leave(*why);
    if (now >= turn_->until || turn_->revoked.load(std::memory_order_acquire))
        return leave(Leave::over);
    offer_interrupt();
    arm_timer(next, now);
    return true;
}

/// What a hypercall or a PAUSE asked for, if it ends the turn.
std::optional<Leave> RunLoop::act_on_rest() {
    switch (vcpu_.take_rest()) {
    case Rest::none:
        return std::nullopt;
    case Rest::yield:
        // Nobody would profit: it goes straight back.
        if (turn_->others != nullptr && !turn_->others->load(std::memory_order_relaxed))
            return std::nullopt;
        return Leave::yielded;
    case Rest::block:
        if (!pending_interrupt() || !cpu_.interrupts_enabled())
            return Leave::blocked;
        vcpu_.set_poll_deadline(std::nullopt);
        return std::nullopt;
    }
    return std::nullopt;
}

void RunLoop::act_on_start_up() {
    while (const auto event = vcpu_.lapic().take_start_up()) {
        if (event->kind == cpu::StartUp::Kind::init) {
            vcpu_.lapic().reset();
            vcpu_.clear_upcall();
            vcpu_.set_activity(Activity::awaiting_start_up);
        } else if (vcpu_.activity() == Activity::awaiting_start_up) {
            registers_ = cpu::GeneralRegisters{};
            cpu_.reset_to_start_up(event->page);
            task_priority_ = 0;
            vcpu_.set_activity(Activity::active);
        }
    }
}

bool RunLoop::is_awake() {
    switch (vcpu_.activity()) {
    case Activity::active:
        return true;
    case Activity::halted:
        if (!pending_interrupt())
            return false;
        vcpu_.set_activity(Activity::active);
        return true;
    case Activity::halted_for_good:
    case Activity::awaiting_start_up:
        vcpu_.set_activity(vcpu_.activity());
        domain_.stop_if_all_rest_for_good();
        return false;
    }
    return false;
}

void RunLoop::offer_interrupt() {
    if (const u8 priority = vcpu_.lapic().task_priority(); priority != task_priority_) {
        task_priority_ = priority;
        cpu_.set_task_priority(priority);
    }
    const auto vector = pending_interrupt();
    if (!vector)
        return;
    if (!cpu_.can_take_interrupt())
        return request_window(cpu::InterruptWindow::wanted);
    if (window_ == cpu::InterruptWindow::wanted)
        request_window(cpu::InterruptWindow::not_wanted);
    cpu_.inject_interrupt(*vector);
    if (vcpu_.pending_upcall())
        vcpu_.clear_upcall();
    else
        vcpu_.lapic().accept(*vector);
    if (pending_interrupt())
        request_window(cpu::InterruptWindow::wanted);
}

void RunLoop::request_window(cpu::InterruptWindow window) {
    window_ = window;
    cpu_.request_interrupt_window(window);
}

/// Lets the timers act whose time has come; when the next one's comes.
std::optional<cpu::Tsc> RunLoop::expire_timers(cpu::Tsc now) {
    const auto next = vcpu_.next_deadline();
    if (!next || *next > now) [[likely]]
        return next;
    if (const auto deadline = vcpu_.timer_deadline(); deadline && *deadline <= now) {
        vcpu_.set_timer_deadline(std::nullopt);
        domain_.guest_abi().timer_expired(vcpu_);
    }
    if (const auto deadline = vcpu_.lapic().deadline(); deadline && *deadline <= now)
        vcpu_.lapic().expire(now);
    return vcpu_.next_deadline();
}

void RunLoop::arm_timer(std::optional<cpu::Tsc> own, cpu::Tsc now) {
    const cpu::Tsc next = own && *own < turn_->until ? *own : turn_->until;
    // One-shot: once its time has come it must be set anew.
    if (next == armed_ && next > now)
        return;
    armed_ = next;
    physical_.set_timer(next);
}

inline void RunLoop::handle(const cpu::Exit& exit) {
    // These ask for attention themselves if what they reach changes events or timers.
    if (std::holds_alternative<cpu::HypercallExit>(exit))
        return handle_hypercall();
    if (std::holds_alternative<cpu::CpuidExit>(exit))
        return handle_cpuid();
    if (const auto* io = std::get_if<cpu::IoExit>(&exit))
        return handle_port(*io);
    if (std::holds_alternative<cpu::MsrReadExit>(exit))
        return handle_msr_read();
    if (std::holds_alternative<cpu::MsrWriteExit>(exit))
        return handle_msr_write();
    attention_ = true;
    if (std::holds_alternative<cpu::HaltExit>(exit))
        return handle_halt();
    if (std::holds_alternative<cpu::HostInterruptExit>(exit)) {
        ++counters_.host_interrupts;
        armed_ = {}; // a long wait comes in steps, each armed anew
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
    ++counters_.others;
    if (std::holds_alternative<cpu::XsetbvExit>(exit))
        return handle_xsetbv();
    if (std::holds_alternative<cpu::UndefinedOpcodeExit>(exit))
        return handle_undefined_opcode();
    if (const auto* reflected = std::get_if<cpu::ReflectedExceptionExit>(&exit))
        return cpu_.inject_exception(reflected->exception, reflected->error_code);
    if (std::holds_alternative<cpu::PauseExit>(exit)) {
        cpu_.skip(2);
        return vcpu_.rest(Rest::yield);
    }
    if (std::holds_alternative<cpu::CacheFlushExit>(exit)) {
        physical_.flush_caches();
        return cpu_.skip(2);
    }
    if (std::holds_alternative<cpu::ShutdownExit>(exit))
        return fail("triple fault");
    if (const auto* failed = std::get_if<cpu::FailedExit>(&exit))
        return fail(failed->why != nullptr ? failed->why
                                           : "an exit nobody asked for, or a refused state",
                    failed->raw);
}

} // namespace ravelin::hv::domain

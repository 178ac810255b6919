// SPDX-License-Identifier: Apache-2.0
// The loop that runs one vCPU on one physical CPU for a turn: bring events in, enter, answer the
// exit. The life of a VM exit is handle(); the frequent ones come first. It holds no lock while the
// guest runs.
#pragma once

#include <hv/domain/cpuid_policy.hpp>
#include <hv/domain/physical_cpu.hpp>
#include <hv/domain/vcpu.hpp>

namespace ravelin::hv::domain {

/// Exits by kind, printed by the benchmarks. Written by the loop's CPU only.
struct ExitCounters {
    u64 cpuid{};
    u64 hypercalls{};
    u64 port_io{};
    u64 msr{};
    u64 halts{};
    u64 mmio{};
    u64 host_interrupts{};
    u64 interrupt_windows{};
    u64 others{};

    ExitCounters& operator+=(const ExitCounters& other) {
        cpuid += other.cpuid;
        hypercalls += other.hypercalls;
        port_io += other.port_io;
        msr += other.msr;
        halts += other.halts;
        mmio += other.mmio;
        host_interrupts += other.host_interrupts;
        interrupt_windows += other.interrupt_windows;
        others += other.others;
        return *this;
    }
};

/// A vCPU's time on a physical CPU.
struct Turn {
    cpu::Tsc until;                    ///< it leaves then
    const std::atomic<bool>& revoked;  ///< or earlier, when this is set and the CPU interrupted
    const std::atomic<bool>* others{}; ///< whether anybody waits for a CPU; nullptr: somebody may
};

/// Why a turn ended.
enum class Leave : u8 {
    over,    ///< its time has passed, or was revoked; it wants to go on
    yielded, ///< it wants others to go first
    blocked, ///< it waits for request_attention(), or for next_deadline()
    stopped, ///< its domain has stopped
};

/// Lives as long as its vCPU; one physical CPU at a time runs it.
class RunLoop {
  public:
    RunLoop(Vcpu& vcpu, PhysicalCpu& physical, const CpuidPolicy& policy);

    /// Runs the vCPU for a turn. Context: interrupts disabled.
    [[nodiscard]] Leave run(const Turn& turn);
    [[nodiscard]] const ExitCounters& counters() const { return counters_; }

  private:
    [[nodiscard]] bool ready_to_enter();
    [[nodiscard]] bool look_at_everything();
    [[nodiscard]] bool look();
    [[nodiscard]] bool leave(Leave why);
    [[nodiscard]] bool is_awake();
    void act_on_start_up();
    void offer_interrupt();
    void request_window(cpu::InterruptWindow window);
    [[nodiscard]] std::optional<Vector> pending_interrupt() const;
    [[nodiscard]] std::optional<cpu::Tsc> expire_timers(cpu::Tsc now);
    void arm_timer(std::optional<cpu::Tsc> own, cpu::Tsc now);
    [[nodiscard]] std::optional<Leave> act_on_rest();

    void handle(const cpu::Exit& exit);
    void handle_rare(const cpu::Exit& exit);
    void handle_cpuid();
    void answer_cpuid(const CpuidResult& result);
    [[gnu::noinline]] CpuidResult variable_cpuid();
    void handle_hypercall();
    void handle_port(const cpu::IoExit& io);
    void handle_port_string(const cpu::IoExit& io);
    void handle_msr_read();
    void handle_msr_write();
    void handle_halt();
    void handle_xsetbv();
    void handle_stage2_fault(const cpu::Stage2FaultExit& fault);
    void handle_undefined_opcode();

    [[nodiscard]] usize fetch(std::span<u8> bytes);
    void fail(const char* what, u64 detail = 0);

    Vcpu& vcpu_;
    Domain& domain_;
    cpu::VirtualCpu& cpu_;
    cpu::GeneralRegisters& registers_;
    PhysicalCpu& physical_;
    const CpuidPolicy& policy_;
    const Turn* turn_{};
    Leave leave_{Leave::over};
    cpu::Tsc armed_{};     ///< what the physical timer is set to; 0: unknown
    bool attention_{true}; ///< interrupts and timers may have changed in the last exit
    u8 task_priority_{};
    cpu::InterruptWindow window_{}; ///< as last requested; it may be spent already
    ExitCounters counters_;
};

} // namespace ravelin::hv::domain

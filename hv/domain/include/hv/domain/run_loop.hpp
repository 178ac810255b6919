// SPDX-License-Identifier: Apache-2.0
// The loop that runs one vCPU on one physical CPU: bring events in, enter, answer the exit. The
// life of a VM exit is handle(); the frequent ones come first. It holds no lock while the guest
// runs.
#pragma once

#include <hv/domain/cpuid_policy.hpp>
#include <hv/domain/physical_cpu.hpp>
#include <hv/domain/vcpu.hpp>

namespace ravelin::hv::domain {

/// Why the loop ended, for the console.
struct StopReport {
    StopReason reason;
    const char* what; ///< in words; empty when the guest asked for it
    u64 rip;
    u64 detail; ///< the vendor's exit code, or a guest-physical address
};

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
};

class RunLoop {
  public:
    RunLoop(Vcpu& vcpu, PhysicalCpu& physical, const CpuidPolicy& policy);

    /// Runs the vCPU until its domain stops. Context: interrupts disabled.
    [[nodiscard]] StopReport run();
    [[nodiscard]] const ExitCounters& counters() const { return counters_; }

  private:
    void prepare_entry();
    void look_at_events();
    void offer_interrupt();
    [[nodiscard]] std::optional<Vector> pending_interrupt() const;
    void check_timers();
    void arm_timer();

    void handle(const cpu::Exit& exit);
    void handle_rare(const cpu::Exit& exit);
    void handle_cpuid();
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
    std::optional<cpu::Tsc> armed_;
    bool attention_{true}; ///< interrupts and timers may have changed in the last exit
    u8 task_priority_{};
    ExitCounters counters_;
    StopReport report_{StopReason::power_off, "", 0, 0};
};

} // namespace ravelin::hv::domain

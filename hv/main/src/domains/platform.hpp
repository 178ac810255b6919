// SPDX-License-Identifier: Apache-2.0
// The physical machine in the words of the rooms above it: frames through the direct map, the CPU
// for the run loop, the clock and console for the guest ABI.
#pragma once

#include <hv/abi/xen_abi.hpp>
#include <hv/domain/physical_cpu.hpp>
#include <hv/guest/memory.hpp>

namespace ravelin::hv {

class DirectFrames final : public guest::FrameAccess {
  public:
    [[nodiscard]] std::span<u8, page_size> bytes(HostFrame frame) override;
};

class ThisCpu final : public domain::PhysicalCpu {
  public:
    [[nodiscard]] cpu::Tsc now() const override;
    void set_timer(std::optional<cpu::Tsc> deadline) override;
    void service_interrupts() override;
    void wait_for_interrupt() override;
    [[nodiscard]] domain::CpuidResult native_cpuid(u32 leaf, u32 subleaf) const override;
    void flush_caches() override;

  private:
    u64 next_fault_report_{}; ///< TSC
};

class AbiMachine final : public abi::Machine {
  public:
    [[nodiscard]] cpu::Tsc now() const override;
    [[nodiscard]] u64 tsc_khz() const override;
    [[nodiscard]] u64 cpu_time_ns(const domain::Domain& domain) const override;
    [[nodiscard]] u64 boot_time_seconds() const override;
    void write_console(const domain::Domain& domain, std::string_view text) override;
    [[nodiscard]] std::optional<char> read_console() override;
};

/// Reads the real-time clock, once. Context: boot CPU, before domains run.
void read_wall_clock();

} // namespace ravelin::hv

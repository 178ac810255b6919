// SPDX-License-Identifier: Apache-2.0
// The one place that knows more than one kind of CPU virtualisation: which this machine has is
// found by CPUID at start-up, and every physical and virtual CPU is of that kind.
#pragma once

#include <hv/stage2/page_table.hpp>
#include <hv/svm/virtual_cpu.hpp>
#include <hv/vmx/virtual_cpu.hpp>

#include <variant>

namespace ravelin::hv {

/// A physical CPU's virtualisation.
class HostCpu {
  public:
    /// Turns it on here; nullptr, or why not, in words. Context: its own CPU, once.
    [[nodiscard]] const char* enable(TableMemory& frames);
    /// How stage-2 tables look on it. Valid once enabled.
    [[nodiscard]] stage2::Layout layout() const;
    [[nodiscard]] const char* name() const;

  private:
    friend class GuestCpu;
    std::variant<std::monostate, svm::Host, vmx::Host> kind_;
};

/// A virtual CPU's back end, inside the vCPU's own storage. The run loop sees interface() only.
class GuestCpu {
  public:
    /// Of the kind that the boot CPU has.
    explicit GuestCpu(const HostCpu& host);

    [[nodiscard]] cpu::VirtualCpu& interface() { return *interface_; }
    [[nodiscard]] const cpu::SwitchCounters& counters() const { return interface_->counters(); }

    /// False when there are no frames for it.
    [[nodiscard]] bool initialise(HostCpu& host, TableMemory& frames, HostPhysical stage2_root);
    void leave_when_spinning();
    void release(TableMemory& frames);
    /// On which CPU it is loaded next. Context: that CPU, not loaded anywhere.
    void set_host(HostCpu& host);

  private:
    std::variant<std::monostate, svm::VirtualCpu, vmx::VirtualCpu> kind_;
    cpu::VirtualCpu* interface_{};
};

} // namespace ravelin::hv

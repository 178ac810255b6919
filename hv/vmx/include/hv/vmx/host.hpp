// SPDX-License-Identifier: Apache-2.0
// One physical CPU's part of VMX: detection, IA32_FEATURE_CONTROL, VMX operation, and the VPIDs it
// hands out. [SDM vol3 24.6, 24.7, 29.1]
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <hv/vmx/capability.hpp>

namespace ravelin::hv::vmx {

/// Whether CPUID offers VMX: its feature bit, never a vendor's name.
[[nodiscard]] bool offered();

/// Enters VMX operation here and stays there until leave(), or for ever.
class Host {
  public:
    Host() = default;
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    /// `longest_run` bounds, in TSC ticks, how long a guest runs without an exit. Context: on the
    /// CPU this object belongs to, once; GDT, TSS and per-CPU bases already loaded, because they
    /// are what every exit returns to.
    [[nodiscard]] Status<Error> enable(TableMemory& frames, u64 longest_run);
    /// Leaves VMX operation. Context: the same CPU, no vCPU loaded.
    void leave();

    [[nodiscard]] const CapabilityMsrs& capabilities() const { return capabilities_; }
    [[nodiscard]] const Controls& controls() const { return controls_; }
    [[nodiscard]] stage2::Layout layout() const { return ept_layout(capabilities_.ept_vpid); }
    [[nodiscard]] bool has_xsave() const { return has_xsave_; }
    /// The revision that a VMXON region or a VMCS carries in its first word.
    [[nodiscard]] u32 revision() const { return Basic::Revision::get(capabilities_.basic); }
    /// The same limit for VMX_PREEMPTION_TIMER_VALUE, or 0 where there is no such timer.
    [[nodiscard]] u32 preemption_timer() const { return preemption_timer_; }

    /// A VPID of this generation that nobody has; when none is left a generation begins. 0 where
    /// VPIDs are not used. Whatever the CPU has cached for it is forgotten. Context: its own CPU.
    [[nodiscard]] u16 take_vpid();
    [[nodiscard]] u64 generation() const { return generation_; }

  private:
    CapabilityMsrs capabilities_{};
    Controls controls_{};
    u64 cr4_before_{};
    u64 generation_{1};
    u32 preemption_timer_{};
    u16 last_vpid_{};
    bool has_xsave_{};
};

/// Drops what this CPU has cached for a VPID, or for all where it cannot name one.
[[nodiscard]] Status<Error> forget_vpid(const CapabilityMsrs& capabilities, u16 vpid);

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// VMX operation of one physical CPU: found by CPUID, allowed by the firmware, entered, left by the
// destructor.
#pragma once

#include <base/result.hpp>
#include <hv/guest/memory.hpp>
#include <hv/vmx/capability.hpp>

namespace ravelin::hv::vmx {

/// Owns VMX operation of the CPU it was entered on. Context: that CPU, interrupts disabled.
class Operation {
  public:
    /// Enters VMX operation with `region` as the VMXON region.
    [[nodiscard]] static Result<Operation, Error> enter(guest::FrameAccess& frames,
                                                        HostFrame region);
    Operation(Operation&& other) noexcept;
    Operation& operator=(Operation&&) = delete;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation();

    [[nodiscard]] const CapabilityMsrs& capabilities() const { return capabilities_; }
    /// The revision that a VMXON region or a VMCS carries in its first word.
    [[nodiscard]] u32 revision() const { return Basic::Revision::get(capabilities_.basic); }

  private:
    Operation(const CapabilityMsrs& capabilities, u64 cr4_before)
        : capabilities_{capabilities}, cr4_before_{cr4_before} {}

    CapabilityMsrs capabilities_;
    u64 cr4_before_;
    bool entered_{true};
};

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// What the run loop needs of the machine under it, so that it can be tested without one. All calls
// are made with interrupts disabled and return so.
#pragma once

#include <hv/cpu/registers.hpp>
#include <hv/domain/guest_abi.hpp>

#include <optional>

namespace ravelin::hv::domain {

class PhysicalCpu {
  public:
    [[nodiscard]] virtual cpu::Tsc now() const = 0;
    /// Makes a physical interrupt come at that time (or at once when it has passed), or none.
    virtual void set_timer(std::optional<cpu::Tsc> deadline) = 0;
    /// Lets pending physical interrupts be handled.
    virtual void service_interrupts() = 0;
    /// Sleeps until a physical interrupt was handled. Never loses one that came just before.
    virtual void wait_for_interrupt() = 0;
    /// CPUID as the physical CPU answers it now.
    [[nodiscard]] virtual CpuidResult native_cpuid(u32 leaf, u32 subleaf) const = 0;
    /// Writes back and invalidates the caches (WBINVD).
    virtual void flush_caches() = 0;

  protected:
    ~PhysicalCpu() = default;
};

} // namespace ravelin::hv::domain

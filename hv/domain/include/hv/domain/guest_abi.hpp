// SPDX-License-Identifier: Apache-2.0
// What the run loop asks of the guest ABI. hv/abi implements it (and depends on this room, so the
// arrow points one way); the run loop knows no hypercall.
#pragma once

#include <base/types.hpp>
#include <hv/cpu/registers.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::domain {

class Vcpu;

/// A 64-bit hypercall as it arrives: RAX, then RDI, RSI, RDX, R10, R8, R9. Untrusted.
struct HypercallArguments {
    u64 number;
    std::array<u64, 6> values;
};

/// The four registers of one CPUID leaf.
struct CpuidResult {
    u32 eax{};
    u32 ebx{};
    u32 ecx{};
    u32 edx{};
};

enum class MsrOutcome : u8 { done, general_protection };

class GuestAbi {
  public:
    /// Carries out a hypercall from CPL 0 of 64-bit code; the result goes to RAX. It may stop the
    /// domain (Domain::stop).
    [[nodiscard]] virtual i64 hypercall(Vcpu& vcpu, const HypercallArguments& arguments) = 0;
    /// Leaves 0x40000000-0x400000ff.
    [[nodiscard]] virtual CpuidResult cpuid(const Vcpu& vcpu, u32 leaf, u32 subleaf) const = 0;
    /// WRMSR to 0x40000000-0x400000ff (the hypercall page).
    [[nodiscard]] virtual MsrOutcome write_msr(Vcpu& vcpu, u32 msr, u64 value) = 0;
    /// Vcpu::timer_deadline() has passed; it has been cleared.
    virtual void timer_expired(Vcpu& vcpu) = 0;
    /// The vCPU is about to be entered; last chance to turn pending events into an interrupt.
    /// Called only after request_event_check(); the run loop looks for interrupts right after it.
    virtual void deliver_events(Vcpu& vcpu) = 0;
    /// The vCPU has been given a physical CPU; Vcpu::account() says what it did until now.
    virtual void turn_begins(Vcpu& vcpu) = 0;

  protected:
    ~GuestAbi() = default;
};

} // namespace ravelin::hv::domain

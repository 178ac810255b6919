// SPDX-License-Identifier: Apache-2.0
// What RDMSR and WRMSR that exit do. A short list of MSRs that Linux reads without a fault handler
// reads as fixed values; the rest is #GP. SYSENTER, STAR and their kin never exit (the back end
// switches them).
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

namespace ravelin::hv::domain {

class Vcpu;
class CpuidPolicy;
class PhysicalCpu;

/// The access is answered with #GP(0).
struct MsrFault {};

[[nodiscard]] Result<u64, MsrFault> read_msr(Vcpu& vcpu, u32 msr, const PhysicalCpu& physical);
[[nodiscard]] Status<MsrFault>
write_msr(Vcpu& vcpu, u32 msr, u64 value, const CpuidPolicy& policy, const PhysicalCpu& physical);

} // namespace ravelin::hv::domain

// SPDX-License-Identifier: Apache-2.0
// Which bits of CR4 are a guest's. [SDM vol3 2.5, 25.6.6]
#pragma once

#include <hv/cpu/registers.hpp>

namespace ravelin::hv::vmx {

/// CR4 bits that a guest may set: what its CPUID can offer it. The rest is the host's, and zero.
constexpr u64 cr4_allowed = 0x7ff |    // VME, PVI, TSD, DE, PSE, PAE, MCE, PGE, PCE, OSFXSR, OSXMM
                            1u << 11 | // UMIP
                            1u << 16 | // FSGSBASE
                            cpu::Cr4::OsXsave::mask |
                            cpu::Cr4::SupervisorExecutionPrevention::mask |
                            cpu::Cr4::SupervisorAccessPrevention::mask;

} // namespace ravelin::hv::vmx

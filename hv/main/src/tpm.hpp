// SPDX-License-Identifier: Apache-2.0
// The TPM of this machine, behind hv/tpm: its registers through the direct map, time from the TSC,
// words to the console.
#pragma once

#include <hv/boot/boot_info.hpp>
#include <hv/tpm/service.hpp>

namespace ravelin::hv {

/// Takes the TPM over and decides the launch verdict; prints it. Never fails: a machine without a
/// usable TPM runs UNMEASURED. Context: boot CPU, timer calibrated, before anything else uses the
/// TPM.
void start_tpm(const boot::BootInfo& info);

/// The one TPM service. Precondition: start_tpm(). Context: boot CPU until domains run, then under
/// with_tpm().
[[nodiscard]] tpm::Service& tpm_service();

/// One control hypercall of domain 0, under the service's lock. Interrupts are disabled.
[[nodiscard]] i64 tpm_control(u64 operation,
                              const tpm::Submitter& submitter,
                              std::span<const u8> request,
                              std::span<u8> response);

/// Measures bytes into PCR 12. A failure runs on, capped and UNMEASURED.
void measure(tpm::Measured what, std::string_view name, std::span<const u8> bytes);
/// Ends the measuring: the register is final.
void seal_measurements();

} // namespace ravelin::hv

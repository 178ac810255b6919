// SPDX-License-Identifier: Apache-2.0
// The TPM of this machine, behind hv/tpm: its registers through the direct map, time from the TSC,
// words to the console.
#pragma once

#include <base/result.hpp>
#include <hv/abi/xen_abi.hpp>
#include <hv/boot/boot_info.hpp>
#include <hv/tpm/service.hpp>
#include <wire/manifest.hpp>

namespace ravelin::hv {

/// Takes the TPM over and decides the launch verdict; prints it. Never fails: a machine without a
/// usable TPM runs UNMEASURED. Context: boot CPU, timer calibrated, before anything else uses the
/// TPM.
void start_tpm(const boot::BootInfo& info);

/// Leaves the TPM at the machine's end, whatever it was doing. Context: no other CPU runs.
void leave_tpm();

/// The one TPM service. Precondition: start_tpm(). Context: boot CPU, until domains run.
[[nodiscard]] tpm::Service& tpm_service();

/// What answers domain 0's control hypercalls, under the service's lock. Interrupts are disabled.
[[nodiscard]] abi::ControlHandler& control_handler();

/// Measures the launch manifest, then kernel, ramdisk, command line and record of each domain it
/// names, and makes the register final. A measurement that fails runs on, capped and UNMEASURED; a
/// manifest that is missing or malformed, or names a module that is not there, is an error in
/// words: no domain may then start. The manifest's views point into its module. Context: boot CPU,
/// once, before any domain is built.
[[nodiscard]] Result<wire::Manifest, tpm::Text> measure_launch(const boot::BootInfo& info);

} // namespace ravelin::hv

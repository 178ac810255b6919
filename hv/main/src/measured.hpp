// SPDX-License-Identifier: Apache-2.0
// The machine as tboot left it: what a launch through TXT gives the rest of start-up, and how the
// measured environment is left at the end.
#pragma once

#include <hv/boot/boot_info.hpp>
#include <hv/machine/processors.hpp>
#include <hv/tpm/launch.hpp>

#include <tboot/launch.hpp>

namespace ravelin::hv {

/// Looks at command line, tboot's page, TXT registers and heap, and takes out of the memory map
/// what SINIT does not call good and what TXT keeps. Context: boot CPU, before set_up_memory(): the
/// boot page tables reach the first 4 GiB.
void look_for_dynamic_launch(boot::BootInfo& info);

/// What was found; null when tboot launched nothing that can be relied on.
[[nodiscard]] const tboot::Launch* dynamic_launch();
/// For the verdict.
[[nodiscard]] tpm::DynamicLaunch dynamic_facts();
/// launch=drtm-or-stop stands on the command line.
[[nodiscard]] bool stops_without_dynamic_launch();

/// Maps heap and shared page into the final page tables; false when that is not possible. Nothing
/// to do without a launch. Context: boot CPU, after set_up_memory().
[[nodiscard]] bool keep_dynamic_launch_reachable();

/// How tboot's waiting processors are started; null where they take INIT and SIPI.
[[nodiscard]] machine::Wake wake_through_tboot();

/// From now on the machine ends through tboot. Nothing without a launch. Context: boot CPU, the TPM
/// taken over.
void end_through_tboot();

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// The physical PCI bus handed to domain 0: which functions, their registers in its address space,
// their interrupts in its APIC.
#pragma once

#include "domains/domains.hpp"

#include <hv/builder/plan.hpp>
#include <hv/vlapic/bus.hpp>
#include <wire/manifest.hpp>

#include <optional>

namespace ravelin::hv {

/// Looks at bus 0 and picks what the manifest gives this domain; what cannot be given is said with
/// its reason. None when it gets nothing, or when DMA is not protected. Context: boot CPU, before
/// the domain is built.
[[nodiscard]] std::optional<builder::PciRoot> choose_devices(const wire::ManifestDomain& manifest);

/// Maps the chosen functions into the domain, attaches their DMA and hands them over. Context: boot
/// CPU, domain built, not running.
[[nodiscard]] Status<Refusal> hand_over_devices(domain::Domain& domain, vlapic::ApicBus& apics);

} // namespace ravelin::hv

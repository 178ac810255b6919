// SPDX-License-Identifier: Apache-2.0
// The domains of this machine: built from the manifest, each run on a physical CPU of its own.
#pragma once

#include <base/result.hpp>
#include <hv/boot/boot_info.hpp>
#include <hv/domain/domain.hpp>
#include <wire/manifest.hpp>
#include <wire/statement.hpp>

#include <string_view>

namespace ravelin::hv {

/// Why domains were not started, in words.
struct Refusal {
    std::string_view what;
    std::string_view why;
};

/// Turns the CPU's virtualisation on. Context: boot CPU, descriptor tables loaded.
[[nodiscard]] Status<Refusal> enable_virtualisation();

/// Builds every domain of the manifest; none runs yet. Without DMA protection no domain gets a
/// device. Context: boot CPU, after everything was measured.
[[nodiscard]] Status<Refusal>
build_domains(const boot::BootInfo& info, const wire::Manifest& manifest, wire::DmaState dma);

/// Runs domain 0 here until it stops; says why it did.
[[nodiscard]] domain::StopReason run_domain0();

/// The domain with that id, or nullptr. Valid after build_domains().
[[nodiscard]] domain::Domain* find_domain(DomainId id);

} // namespace ravelin::hv

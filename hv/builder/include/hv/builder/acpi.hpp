// SPDX-License-Identifier: Apache-2.0
// The ACPI tables a domain sees: hardware-reduced, its CPUs, and its PCI root if it has one. No
// DMAR, no TPM2: those devices are the hypervisor's. Pure: bytes for a given guest-physical
// address. [ACPI 6.4 4.1, 5.2]
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/builder/plan.hpp>

#include <optional>
#include <span>

namespace ravelin::hv::builder {

enum class AcpiError : u8 { too_large };

struct AcpiPlan {
    GuestPhysical at{}; ///< where the bytes will lie
    u32 vcpus{1};
    const PciRoot* pci{};
};

/// Writes all tables into `out` (guest-physical plan.at onwards) and returns the RSDP's address.
[[nodiscard]] Result<GuestPhysical, AcpiError> write_acpi_tables(const AcpiPlan& plan,
                                                                 std::span<u8> out);

} // namespace ravelin::hv::builder

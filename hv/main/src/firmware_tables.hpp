// SPDX-License-Identifier: Apache-2.0
// The firmware's ACPI tables as this machine has them: found, mapped read-only, checked, and the
// few that start-up needs decoded.
#pragma once

#include <hv/boot/boot_info.hpp>
#include <wire/acpi.hpp>

namespace ravelin::hv {

/// Written by find_firmware_tables() once; read only afterwards. The tables' bytes stay mapped.
struct FirmwareTables {
    wire::AcpiTables all{};
    wire::Madt madt{};
    wire::Mcfg mcfg{};
};

/// Finds and decodes them, and tells the machine how it is turned off and reset. A machine without
/// ACPI is refused by the error; a table that start-up can do without is only reported.
/// Context: boot CPU, final page tables loaded.
[[nodiscard]] Status<wire::AcpiError> find_firmware_tables(const boot::BootInfo& info);

[[nodiscard]] const FirmwareTables& firmware_tables();

} // namespace ravelin::hv

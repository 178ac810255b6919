// SPDX-License-Identifier: Apache-2.0
// ACPI on the machine. The tables are untrusted input; what they say about devices is checked by
// whoever uses it.
#include "firmware_tables.hpp"

#include "memory.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/power.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

constexpr HostPhysical ebda_pointer{0x40e}; // [ACPI 6.4 5.2.5.1]
constexpr HostPhysical bios_area{0xe0000};
constexpr u64 bios_area_size = 0x20000;
constexpr u64 ebda_search_size = 1024;

class MappedFirmware final : public wire::AcpiMemory {
  public:
    Result<std::span<const u8>, wire::AcpiError> view(HostPhysical address, usize size) override {
        if (!map_firmware(address, Bytes{size}))
            return Failure{wire::AcpiError::unreadable};
        // SAFETY: mapped above, for good.
        return std::span<const u8>{mm::direct_map_pointer<const u8>(address), size};
    }
};

// Written by the boot CPU during start-up only.
FirmwareTables tables;
MappedFirmware firmware;

std::optional<HostPhysical> search(HostPhysical start, u64 size) {
    const auto bytes = firmware.view(start, size);
    if (!bytes)
        return std::nullopt;
    const auto at = wire::find_rsdp(bytes.value());
    return at ? std::optional{start + *at} : std::nullopt;
}

/// Where a BIOS leaves the RSDP, for loaders that do not tell.
std::optional<HostPhysical> search_bios_memory() {
    const auto pointer = firmware.view(ebda_pointer, 2);
    if (pointer) {
        const u64 ebda = (u64{pointer.value()[0]} | u64{pointer.value()[1]} << 8) << 4;
        const auto found = search(HostPhysical{ebda}, ebda_search_size);
        if (ebda != 0 && found)
            return found;
    }
    return search(bios_area, bios_area_size);
}

std::optional<machine::SoftOffControl> soft_off_control(const wire::Fadt& fadt) {
    const auto dsdt = wire::view_acpi_table(firmware, fadt.dsdt);
    if (!dsdt || fadt.pm1a_control == 0)
        return std::nullopt;
    const auto types = wire::find_soft_off(dsdt.value().bytes);
    if (!types)
        return std::nullopt;
    return machine::SoftOffControl{
        fadt.pm1a_control, fadt.pm1b_control, types->type_a, types->type_b};
}

std::optional<machine::ResetControl> reset_control(const wire::Fadt& fadt) {
    if (!fadt.reset || fadt.reset->space != wire::AddressSpace::io || fadt.reset->address > 0xffff)
        return std::nullopt;
    return machine::ResetControl{static_cast<u16>(fadt.reset->address), fadt.reset_value};
}

void set_up_power() {
    const auto table = tables.all.find("FACP");
    const auto fadt = table ? wire::decode_fadt(table.value())
                            : Result<wire::Fadt, wire::AcpiError>{Failure{table.error()}};
    if (!fadt) {
        log("ACPI: FADT: {}: the machine cannot be turned off by software", text(fadt.error()));
        return;
    }
    machine::set_power_control(soft_off_control(fadt.value()), reset_control(fadt.value()));
}

} // namespace

Status<wire::AcpiError> find_firmware_tables(const boot::BootInfo& info) {
    const auto rsdp = info.rsdp ? info.rsdp : search_bios_memory();
    if (!rsdp)
        return Failure{wire::AcpiError::absent};
    (void)RAVELIN_TRY(wire::discover_acpi(firmware, *rsdp, tables.all));
    if (tables.all.corrupt != 0)
        log("ACPI: {} tables with a wrong length or checksum are not used", tables.all.corrupt);
    const auto madt = RAVELIN_TRY(tables.all.find("APIC"));
    tables.madt = RAVELIN_TRY(wire::decode_madt(madt));
    const auto mcfg = tables.all.find("MCFG");
    if (mcfg)
        tables.mcfg = RAVELIN_TRY(wire::decode_mcfg(mcfg.value()));
    else
        log("ACPI: MCFG: {}: no PCI device can be given to a domain", text(mcfg.error()));
    set_up_power();
    return Unit{};
}

const FirmwareTables& firmware_tables() {
    return tables;
}

} // namespace ravelin::hv

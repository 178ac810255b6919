// SPDX-License-Identifier: Apache-2.0
// RSDP, XSDT, FADT, MADT, MCFG and DSDT of a domain. [ACPI 6.4 5.2.5-5.2.12] [PCI
// Firmware 3.3 4.1.2]
#include "hv/builder/acpi.hpp"

#include "aml.hpp"

#include <hv/domain/basic_devices.hpp>

#include <algorithm>
#include <array>

namespace ravelin::hv::builder {
namespace {

constexpr usize header_size = 36;
constexpr usize checksum_offset = 9;
constexpr usize length_offset = 4;
constexpr usize rsdp_size = 36;
constexpr usize fadt_size = 276;
constexpr u64 local_apic_address = 0xfee00000;

/// Tables one after the other in the guest's range; each starts 16-byte aligned.
class TableArea {
  public:
    TableArea(GuestPhysical at, std::span<u8> out) : at_{at}, out_{out} {}

    /// Starts a table; its bytes are what is left of the area.
    std::span<u8> begin() {
        used_ = std::min((used_ + 15) / 16 * 16, out_.size());
        return out_.subspan(used_);
    }
    GuestPhysical address() const { return at_ + used_; }
    void end(usize size) { used_ += size; }

  private:
    GuestPhysical at_;
    std::span<u8> out_;
    usize used_{};
};

u8 checksum(std::span<const u8> bytes) {
    u8 sum = 0;
    for (const u8 b : bytes)
        sum = static_cast<u8>(sum + b);
    return static_cast<u8>(-sum);
}

void put_header(LittleWriter& out, std::string_view signature, u8 revision) {
    const auto text = [&out](std::string_view t) {
        for (const char c : t)
            out.integer(static_cast<u8>(c));
    };
    text(signature);
    out.integer(u32{0}); // length, patched by finish()
    out.integer(revision).integer(u8{0});
    text("RAVELN");
    text("RAVELIN ");
    out.integer(u32{1});
    text("RVLN");
    out.integer(u32{1});
}

/// Patches length and checksum; the table's address, or too_large.
Result<GuestPhysical, AcpiError> finish(TableArea& area, std::span<u8> table, LittleWriter& out) {
    const usize size = out.offset();
    out.patch<u32>(length_offset, static_cast<u32>(size));
    if (!out.finish())
        return Failure{AcpiError::too_large};
    table[checksum_offset] = checksum(table.first(size));
    const GuestPhysical at = area.address();
    area.end(size);
    return at;
}

// Resource descriptors. [ACPI 6.4 6.4.3.5]
constexpr u8 end_tag[2] = {0x79, 0};

void put_bus_numbers(LittleWriter& out, u8 last) {
    out.integer(u8{0x88}).integer(u16{13}).integer(u8{2}).integer(u8{0x0c}).integer(u8{0});
    out.integer(u16{0}).integer(u16{0}).integer(u16{last}).integer(u16{0}).integer(
        static_cast<u16>(last + 1));
}

void put_memory(LittleWriter& out, const PciWindow& window) {
    constexpr u8 producer_fixed = 0x0c; // minimum and maximum are fixed
    constexpr u8 writable_not_cached = 1;
    out.integer(u8{0x8a})
        .integer(u16{43})
        .integer(u8{0})
        .integer(producer_fixed)
        .integer(writable_not_cached);
    out.integer(u64{0})
        .integer(window.start)
        .integer(window.start + window.size - 1)
        .integer(u64{0})
        .integer(window.size);
}

void put_io(LittleWriter& out, u16 first, u16 last) {
    out.integer(u8{0x88}).integer(u16{13}).integer(u8{1}).integer(u8{0x0c}).integer(u8{3});
    out.integer(u16{0}).integer(first).integer(last).integer(u16{0}).integer(
        static_cast<u16>(last - first + 1));
}

void put_fixed_memory(LittleWriter& out, u32 start, u32 size) {
    out.integer(u8{0x86}).integer(u16{9}).integer(u8{1}).integer(start).integer(size);
}

void describe_pci(AmlWriter& aml, const PciRoot& pci) {
    std::array<u8, 256> resources{};
    LittleWriter crs{resources};
    put_bus_numbers(crs, pci.last_bus);
    put_io(crs, 0x0000, 0x0cf7);
    put_io(crs, 0x0d00, 0xffff);
    for (const PciWindow& window : pci.windows)
        put_memory(crs, window);
    crs.bytes(end_tag);

    const usize root = aml.open_device("PCI0");
    aml.name_eisa_id("_HID", "PNP0A08");
    aml.name_eisa_id("_CID", "PNP0A03");
    aml.name_integer("_SEG", 0);
    aml.name_integer("_BBN", 0);
    aml.name_integer("_UID", 0);
    aml.name_buffer("_CRS", std::span<const u8>{resources}.first(crs.offset()));
    aml.close(root);

    // Linux uses MCFG only inside a reserved range. [PCI Firmware 3.3 4.1.2]
    LittleWriter reserved{resources};
    put_fixed_memory(reserved, static_cast<u32>(pci.ecam.raw()), (u32{pci.last_bus} + 1) << 20);
    reserved.bytes(end_tag);
    const usize board = aml.open_device("MBRD");
    aml.name_eisa_id("_HID", "PNP0C02");
    aml.name_integer("_UID", 1);
    aml.name_buffer("_CRS", std::span<const u8>{resources}.first(reserved.offset()));
    aml.close(board);
}

Result<GuestPhysical, AcpiError> write_dsdt(TableArea& area, const PciRoot* pci) {
    const auto table = area.begin();
    LittleWriter out{table};
    put_header(out, "DSDT", 2);
    if (table.size() > header_size) {
        AmlWriter aml{table.subspan(header_size)};
        aml.name_sleep_type("_S5_", domain::PowerPorts::soft_off);
        if (pci != nullptr) {
            const usize scope = aml.open_scope("_SB_");
            describe_pci(aml, *pci);
            aml.close(scope);
        }
        if (aml.overflowed())
            return Failure{AcpiError::too_large};
        // The AML is in place; the writer only steps over it.
        out.bytes(table.subspan(header_size, aml.offset()));
    }
    return finish(area, table, out);
}

/// A generic address of one byte-wide port. [ACPI 6.4 5.2.3.2]
void patch_port(LittleWriter& out, usize offset, u16 port) {
    constexpr u8 system_io = 1;
    constexpr u8 bits = 8;
    constexpr u8 byte_access = 1;
    out.patch<u8>(offset, system_io);
    out.patch<u8>(offset + 1, bits);
    out.patch<u8>(offset + 3, byte_access);
    out.patch<u64>(offset + 4, port);
}

Result<GuestPhysical, AcpiError> write_fadt(TableArea& area, GuestPhysical dsdt) {
    constexpr usize dsdt_offset = 40;
    constexpr usize boot_architecture_offset = 109;
    constexpr usize flags_offset = 112;
    constexpr usize minor_version_offset = 131;
    constexpr usize extended_dsdt_offset = 140;
    constexpr u16 no_vga_no_rtc = 1u << 2 | 1u << 5;
    constexpr usize reset_register_offset = 116;
    constexpr usize reset_value_offset = 128;
    constexpr usize sleep_control_offset = 244;
    constexpr usize sleep_status_offset = 256;
    constexpr u32 reset_supported = 1u << 10;
    constexpr u32 hardware_reduced = 1u << 20;
    using domain::PowerPorts;
    const auto table = area.begin();
    LittleWriter out{table};
    put_header(out, "FACP", 6);
    constexpr std::array<u8, fadt_size - header_size> zeros{};
    out.bytes(zeros);
    out.patch<u32>(dsdt_offset, static_cast<u32>(dsdt.raw()));
    out.patch<u16>(boot_architecture_offset, no_vga_no_rtc);
    out.patch<u32>(flags_offset, hardware_reduced | reset_supported);
    patch_port(out, reset_register_offset, PowerPorts::reset);
    out.patch<u8>(reset_value_offset, PowerPorts::reset_value);
    patch_port(out, sleep_control_offset, PowerPorts::sleep_control);
    patch_port(out, sleep_status_offset, PowerPorts::sleep_status);
    out.patch<u8>(minor_version_offset, 4);
    out.patch<u64>(extended_dsdt_offset, dsdt.raw());
    return finish(area, table, out);
}

Result<GuestPhysical, AcpiError> write_madt(TableArea& area, u32 vcpus) {
    const auto table = area.begin();
    LittleWriter out{table};
    put_header(out, "APIC", 5);
    out.integer(static_cast<u32>(local_apic_address)).integer(u32{0}); // no PICs
    for (u32 i = 0; i < vcpus; ++i) {
        // Processor local APIC, enabled. [ACPI 6.4 5.2.12.2]
        out.integer(u8{0})
            .integer(u8{8})
            .integer(static_cast<u8>(i))
            .integer(static_cast<u8>(i))
            .integer(u32{1});
    }
    return finish(area, table, out);
}

Result<GuestPhysical, AcpiError> write_mcfg(TableArea& area, const PciRoot& pci) {
    const auto table = area.begin();
    LittleWriter out{table};
    put_header(out, "MCFG", 1);
    out.integer(u64{0})
        .integer(pci.ecam.raw())
        .integer(u16{0})
        .integer(u8{0})
        .integer(pci.last_bus)
        .integer(u32{0});
    return finish(area, table, out);
}

Result<GuestPhysical, AcpiError> write_xsdt(TableArea& area,
                                            std::span<const GuestPhysical> tables) {
    const auto table = area.begin();
    LittleWriter out{table};
    put_header(out, "XSDT", 1);
    for (const GuestPhysical at : tables)
        out.integer(at.raw());
    return finish(area, table, out);
}

Result<GuestPhysical, AcpiError> write_rsdp(TableArea& area, GuestPhysical xsdt) {
    constexpr usize old_checksum_offset = 8;
    constexpr usize old_size = 20;
    constexpr usize checksum_offset_new = 32;
    const auto table = area.begin();
    LittleWriter out{table};
    for (const char c : std::string_view{"RSD PTR "})
        out.integer(static_cast<u8>(c));
    out.integer(u8{0});
    for (const char c : std::string_view{"RAVELN"})
        out.integer(static_cast<u8>(c));
    out.integer(u8{2}).integer(u32{0}).integer(u32{rsdp_size}).integer(xsdt.raw()).integer(u32{0});
    if (!out.finish())
        return Failure{AcpiError::too_large};
    table[old_checksum_offset] = checksum(table.first(old_size));
    table[checksum_offset_new] = checksum(table.first(rsdp_size));
    const GuestPhysical at = area.address();
    area.end(rsdp_size);
    return at;
}

} // namespace

Result<GuestPhysical, AcpiError> write_acpi_tables(const AcpiPlan& plan, std::span<u8> out) {
    TableArea area{plan.at, out};
    FixedVector<GuestPhysical, 4> tables;
    const GuestPhysical dsdt = RAVELIN_TRY(write_dsdt(area, plan.pci));
    const GuestPhysical fadt = RAVELIN_TRY(write_fadt(area, dsdt));
    const GuestPhysical madt = RAVELIN_TRY(write_madt(area, plan.vcpus));
    ensure(tables.push_back(fadt) && tables.push_back(madt), "room for three tables");
    if (plan.pci != nullptr) {
        const GuestPhysical mcfg = RAVELIN_TRY(write_mcfg(area, *plan.pci));
        ensure(tables.push_back(mcfg), "room for three tables");
    }
    return write_rsdp(area, RAVELIN_TRY(write_xsdt(area, tables.span())));
}

} // namespace ravelin::hv::builder

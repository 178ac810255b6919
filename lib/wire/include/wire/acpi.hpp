// SPDX-License-Identifier: Apache-2.0
// The ACPI tables that a hypervisor needs before any operating system runs: where they are, which
// CPUs there are, how PCI configuration space is reached, where the TPM is, how the machine is
// reset and turned off. Pure decoders of what the firmware left in memory: every length is bounded
// and every checksum is checked. No AML is run. [ACPI 6.4 5.2] [PCI Firmware 3.3 4.1.2]
// [TCG ACPI 1.3 8]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace ravelin::wire {

enum class AcpiError : u8 {
    truncated,     ///< a structure is longer than what holds it
    unreadable,    ///< a pointer leads outside readable memory
    bad_signature, ///< not the table that was asked for
    bad_checksum,  ///< the bytes do not add up to zero
    bad_length,    ///< a length that no such table has
    too_many,      ///< more entries than anything here has room for
    absent,        ///< there is no such table
};
[[nodiscard]] std::string_view text(AcpiError error);

/// How tables are reached. What a view gives must stay valid as long as the tables are used.
class AcpiMemory {
  public:
    [[nodiscard]] virtual Result<std::span<const u8>, AcpiError> view(HostPhysical address,
                                                                      usize size) = 0;

  protected:
    ~AcpiMemory() = default;
};

struct AcpiTable {
    std::array<char, 4> signature{};
    std::span<const u8> bytes{}; ///< header included; length and checksum are right
    [[nodiscard]] std::string_view name() const { return {signature.data(), signature.size()}; }
};

/// All tables that the root table names. A table whose checksum is wrong is left out and counted:
/// firmware exists that gets an unimportant one wrong.
struct AcpiTables {
    FixedVector<AcpiTable, 64> tables{};
    u32 corrupt{};
    /// The bytes of the first table of that name, or `absent`.
    [[nodiscard]] Result<std::span<const u8>, AcpiError> find(std::string_view signature) const;
};

/// Where an RSDP starts in memory that a BIOS may have put one in (16-byte steps), or none.
[[nodiscard]] std::optional<usize> find_rsdp(std::span<const u8> memory);

/// Follows the RSDP at `rsdp` to the root table and all others.
[[nodiscard]] Status<AcpiError>
discover_acpi(AcpiMemory& memory, HostPhysical rsdp, AcpiTables& out);

/// One table that a pointer in another names (the DSDT), with length and checksum checked.
[[nodiscard]] Result<AcpiTable, AcpiError> view_acpi_table(AcpiMemory& memory, HostPhysical at);

struct Madt { // [ACPI 6.4 5.2.12]
    HostPhysical local_apic{};
    FixedVector<ApicId, 64> processors{}; ///< the enabled ones, in the firmware's order
    u32 left_out{};                       ///< enabled ones that need x2APIC mode or exceed the room
};
[[nodiscard]] Result<Madt, AcpiError> decode_madt(std::span<const u8> table);

struct ConfigurationSpace { // [PCI Firmware 3.3 4.1.2]
    HostPhysical base{};    ///< of bus 0, whatever first_bus is
    u16 segment{};
    u8 first_bus{};
    u8 last_bus{};
};
using Mcfg = FixedVector<ConfigurationSpace, 8>;
[[nodiscard]] Result<Mcfg, AcpiError> decode_mcfg(std::span<const u8> table);

enum class AddressSpace : u8 { memory = 0, io = 1, pci_configuration = 2 };
struct GenericAddress { // [ACPI 6.4 5.2.3.2]
    AddressSpace space{};
    u64 address{};
};
struct Fadt { // [ACPI 6.4 5.2.9]
    HostPhysical dsdt{};
    u16 pm1a_control{}; ///< I/O ports; 0: none
    u16 pm1b_control{};
    u16 pm_timer{};
    std::optional<GenericAddress> reset{};
    u8 reset_value{};
};
[[nodiscard]] Result<Fadt, AcpiError> decode_fadt(std::span<const u8> table);

/// SLP_TYPa and SLP_TYPb of the soft-off state: the package `\_S5_` of the DSDT, read without
/// running AML. None where it is not plain integers. [ACPI 6.4 7.4.2.6, 20.2]
struct SoftOff {
    u8 type_a{};
    u8 type_b{};
};
[[nodiscard]] std::optional<SoftOff> find_soft_off(std::span<const u8> dsdt);

struct Tpm2Table { // [TCG ACPI 1.3 8]
    HostPhysical control_area{};
    u32 start_method{}; ///< 6: TIS, 7: CRB
};
[[nodiscard]] Result<Tpm2Table, AcpiError> decode_tpm2_table(std::span<const u8> table);

} // namespace ravelin::wire

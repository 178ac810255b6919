// SPDX-License-Identifier: Apache-2.0
// The DMAR table: which remapping units the machine has, which devices each one serves, and which
// devices the firmware wants memory reachable for. A pure decoder of untrusted bytes: every length
// is bounded by what holds it and an error says where. [VT-d 8]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <span>
#include <string_view>

namespace ravelin::wire {

struct DmarError {
    enum class Kind : u8 {
        truncated,     ///< a structure is longer than what holds it
        bad_signature, ///< not a DMAR table
        bad_length,    ///< a length that no such structure has
        bad_address,   ///< registers or reserved memory not on a page, or an empty range
        bad_path,      ///< a device scope without a path, or with an impossible device
        too_many,      ///< more structures than anything here has room for
        no_units,      ///< no remapping unit at all
    } kind;
    usize offset; ///< in the table, of the structure at fault
    friend bool operator==(const DmarError&, const DmarError&) = default;
};
[[nodiscard]] std::string_view text(DmarError::Kind kind);

/// What a device scope names. [VT-d 8.3.1]
enum class ScopeType : u8 {
    endpoint = 1,
    bridge = 2, ///< the bridge and everything below it
    io_apic = 3,
    hpet = 4,
    acpi_device = 5,
};

/// One hop: a device and function on the bus that the hop before leads to.
struct ScopeHop {
    u8 device{};
    u8 function{};
    friend bool operator==(const ScopeHop&, const ScopeHop&) = default;
};

/// A device by its way from `start_bus`, because bridges' bus numbers may change.
struct DeviceScope {
    ScopeType type{};
    u8 enumeration_id{};
    u8 start_bus{};
    FixedVector<ScopeHop, 8> path{};
};

/// A part of Dmar::scopes.
struct ScopeRange {
    usize first{};
    usize count{};
};

enum class Coverage : u8 {
    listed,     ///< the devices of its scopes
    all_others, ///< every device of the segment that no other unit lists
};

struct DmarUnit { // DRHD [VT-d 8.3]
    Coverage coverage{};
    u16 segment{};
    HostPhysical registers{};
    Bytes register_size{};
    ScopeRange scopes{};
};
struct DmarReservedMemory { // RMRR [VT-d 8.4]
    u16 segment{};
    HostPhysical start{};
    Bytes size{};
    ScopeRange scopes{};
};
struct DmarRootPorts { // ATSR [VT-d 8.5]
    u16 segment{};
    Coverage coverage{};
    ScopeRange scopes{};
};

struct Dmar {
    u8 address_width{}; ///< bits of a DMA physical address
    bool interrupt_remapping{};
    bool x2apic_opt_out{};
    FixedVector<DmarUnit, 8> units{};
    FixedVector<DmarReservedMemory, 16> reserved{};
    FixedVector<DmarRootPorts, 8> root_ports{};
    FixedVector<DeviceScope, 64> scopes{};
    u32 passed_over{}; ///< structures of kinds that concern nothing here (RHSA, ANDD, SATC, SIDP)

    [[nodiscard]] std::span<const DeviceScope> of(ScopeRange range) const {
        return scopes.span().subspan(range.first, range.count);
    }
};

/// Decodes a whole table, header included; its length must be the span's. `out` is too large for a
/// stack and worth nothing after an error.
[[nodiscard]] Status<DmarError> decode_dmar(std::span<const u8> table, Dmar& out);

} // namespace ravelin::wire

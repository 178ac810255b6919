// SPDX-License-Identifier: Apache-2.0
// Finding the tables, and decoding those of fixed form.
#include "wire/acpi.hpp"

#include <base/bits.hpp>
#include <base/cursor.hpp>

#include <algorithm>
#include <numeric>

namespace ravelin::wire {
namespace {

constexpr usize header_size = 36;
constexpr usize rsdp_size = 20;          // revision 0
constexpr usize extended_rsdp_size = 36; // revision 2
constexpr usize table_limit = 1024 * 1024;
constexpr std::string_view rsdp_signature = "RSD PTR ";

template <typename T> Result<T, AcpiError> lift(Result<T, CursorError> result) {
    if (!result)
        return Failure{AcpiError::truncated};
    return std::move(result).value();
}

bool adds_up(std::span<const u8> bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), u8{0}, [](u8 sum, u8 byte) {
               return static_cast<u8>(sum + byte);
           }) == 0;
}

bool starts_with(std::span<const u8> bytes, std::string_view text) {
    return bytes.size() >= text.size() &&
           std::equal(text.begin(), text.end(), bytes.begin(), [](char c, u8 byte) {
               return static_cast<u8>(c) == byte;
           });
}

struct Root {
    HostPhysical table;
    usize entry_size; // 4: RSDT, 8: XSDT
};

Result<Root, AcpiError> decode_rsdp(AcpiMemory& memory, HostPhysical at) { // [ACPI 6.4 5.2.5.3]
    const auto bytes = RAVELIN_TRY(memory.view(at, rsdp_size));
    if (!starts_with(bytes, rsdp_signature))
        return Failure{AcpiError::bad_signature};
    if (!adds_up(bytes))
        return Failure{AcpiError::bad_checksum};
    LittleReader reader{bytes};
    (void)RAVELIN_TRY(lift(reader.skip(15))); // signature, checksum, OEM
    const u8 revision = RAVELIN_TRY(lift(reader.byte()));
    const u32 rsdt = RAVELIN_TRY(lift(reader.integer<u32>()));
    if (revision < 2)
        return Root{HostPhysical{rsdt}, 4};
    const auto extended = RAVELIN_TRY(memory.view(at, extended_rsdp_size));
    if (!adds_up(extended))
        return Failure{AcpiError::bad_checksum};
    LittleReader rest{extended.subspan(rsdp_size)};
    const u32 length = RAVELIN_TRY(lift(rest.integer<u32>()));
    if (length < extended_rsdp_size)
        return Failure{AcpiError::bad_length};
    const u64 xsdt = RAVELIN_TRY(lift(rest.integer<u64>()));
    return xsdt != 0 ? Root{HostPhysical{xsdt}, 8} : Root{HostPhysical{rsdt}, 4};
}

/// A reader behind the header of a table that must be a `signature`.
Result<LittleReader, AcpiError> body_of(std::span<const u8> table, std::string_view signature) {
    if (!starts_with(table, signature))
        return Failure{AcpiError::bad_signature};
    LittleReader reader{table};
    (void)RAVELIN_TRY(lift(reader.skip(header_size)));
    return reader;
}

void add_processor(Madt& madt, u32 id, u32 flags) {
    using Enabled = BitFlag<u32, 0>;
    constexpr u32 first_x2apic_only = 0xff; // broadcast in xAPIC mode
    if (!Enabled::get(flags))
        return;
    if (id >= first_x2apic_only || !madt.processors.push_back(ApicId{id}))
        ++madt.left_out;
}

Status<AcpiError> decode_madt_entry(Madt& madt, u8 type, LittleReader body) {
    constexpr u8 local_apic = 0;
    constexpr u8 local_apic_address_override = 5;
    constexpr u8 local_x2apic = 9;
    switch (type) {
    case local_apic: {
        (void)RAVELIN_TRY(lift(body.byte())); // ACPI processor UID
        const u8 id = RAVELIN_TRY(lift(body.byte()));
        add_processor(madt, id, RAVELIN_TRY(lift(body.integer<u32>())));
        break;
    }
    case local_apic_address_override:
        (void)RAVELIN_TRY(lift(body.integer<u16>()));
        madt.local_apic = HostPhysical{RAVELIN_TRY(lift(body.integer<u64>()))};
        break;
    case local_x2apic: {
        (void)RAVELIN_TRY(lift(body.integer<u16>()));
        const u32 id = RAVELIN_TRY(lift(body.integer<u32>()));
        add_processor(madt, id, RAVELIN_TRY(lift(body.integer<u32>())));
        break;
    }
    default:
        break; // I/O APICs, overrides, NMI wiring: no interrupt is taken through an I/O APIC
    }
    return Unit{};
}

Result<GenericAddress, AcpiError> generic_address(LittleReader& reader) {
    const u8 space = RAVELIN_TRY(lift(reader.byte()));
    (void)RAVELIN_TRY(lift(reader.skip(3))); // width, offset, access size
    return GenericAddress{static_cast<AddressSpace>(space),
                          RAVELIN_TRY(lift(reader.integer<u64>()))};
}

} // namespace

std::string_view text(AcpiError error) {
    switch (error) {
    case AcpiError::truncated:
        return "a structure is longer than what holds it";
    case AcpiError::unreadable:
        return "a pointer leads outside memory";
    case AcpiError::bad_signature:
        return "a signature is not what it must be";
    case AcpiError::bad_checksum:
        return "a checksum is wrong";
    case AcpiError::bad_length:
        return "a length is impossible";
    case AcpiError::too_many:
        return "there are too many entries";
    case AcpiError::absent:
        return "there is no such table";
    }
    return "unknown";
}

Result<std::span<const u8>, AcpiError> AcpiTables::find(std::string_view signature) const {
    const auto* found = std::find_if(tables.begin(), tables.end(), [signature](const AcpiTable& t) {
        return t.name() == signature;
    });
    if (found == tables.end())
        return Failure{AcpiError::absent};
    return found->bytes;
}

std::optional<usize> find_rsdp(std::span<const u8> memory) {
    constexpr usize step = 16;
    for (usize at = 0; at + rsdp_size <= memory.size(); at += step) {
        const auto candidate = memory.subspan(at, rsdp_size);
        if (starts_with(candidate, rsdp_signature) && adds_up(candidate))
            return at;
    }
    return std::nullopt;
}

Result<AcpiTable, AcpiError> view_acpi_table(AcpiMemory& memory, HostPhysical at) {
    const auto header = RAVELIN_TRY(memory.view(at, header_size));
    AcpiTable table{};
    std::copy_n(header.begin(), table.signature.size(), table.signature.begin());
    LittleReader reader{header};
    (void)RAVELIN_TRY(lift(reader.skip(4)));
    const u32 length = RAVELIN_TRY(lift(reader.integer<u32>()));
    if (length < header_size || length > table_limit)
        return Failure{AcpiError::bad_length};
    table.bytes = RAVELIN_TRY(memory.view(at, length));
    if (!adds_up(table.bytes))
        return Failure{AcpiError::bad_checksum};
    return table;
}

Status<AcpiError> discover_acpi(AcpiMemory& memory, HostPhysical rsdp, AcpiTables& out) {
    const Root root = RAVELIN_TRY(decode_rsdp(memory, rsdp));
    const AcpiTable table = RAVELIN_TRY(view_acpi_table(memory, root.table));
    if (table.name() != (root.entry_size == 8 ? "XSDT" : "RSDT"))
        return Failure{AcpiError::bad_signature};
    LittleReader entries{table.bytes.subspan(header_size)};
    while (entries.remaining() != 0) {
        const u64 address = root.entry_size == 8 ? RAVELIN_TRY(lift(entries.integer<u64>()))
                                                 : RAVELIN_TRY(lift(entries.integer<u32>()));
        if (address == 0)
            continue;
        const auto found = view_acpi_table(memory, HostPhysical{address});
        if (!found)
            ++out.corrupt;
        else if (!out.tables.push_back(found.value()))
            return Failure{AcpiError::too_many};
    }
    return Unit{};
}

Result<Madt, AcpiError> decode_madt(std::span<const u8> table) {
    LittleReader reader = RAVELIN_TRY(body_of(table, "APIC"));
    Madt madt{};
    madt.local_apic = HostPhysical{RAVELIN_TRY(lift(reader.integer<u32>()))};
    (void)RAVELIN_TRY(lift(reader.integer<u32>())); // flags
    while (reader.remaining() != 0) {
        const u8 type = RAVELIN_TRY(lift(reader.byte()));
        const u8 length = RAVELIN_TRY(lift(reader.byte()));
        if (length < 2)
            return Failure{AcpiError::bad_length};
        const auto body = RAVELIN_TRY(lift(reader.bytes(length - usize{2})));
        (void)RAVELIN_TRY(decode_madt_entry(madt, type, LittleReader{body}));
    }
    return madt;
}

Result<Mcfg, AcpiError> decode_mcfg(std::span<const u8> table) {
    LittleReader reader = RAVELIN_TRY(body_of(table, "MCFG"));
    (void)RAVELIN_TRY(lift(reader.skip(8)));
    Mcfg out{};
    while (reader.remaining() != 0) {
        ConfigurationSpace space{};
        space.base = HostPhysical{RAVELIN_TRY(lift(reader.integer<u64>()))};
        space.segment = RAVELIN_TRY(lift(reader.integer<u16>()));
        space.first_bus = RAVELIN_TRY(lift(reader.byte()));
        space.last_bus = RAVELIN_TRY(lift(reader.byte()));
        (void)RAVELIN_TRY(lift(reader.integer<u32>()));
        if (space.last_bus < space.first_bus || !space.base.is_aligned(u64{1} << 20))
            return Failure{AcpiError::bad_length};
        if (!out.push_back(space))
            return Failure{AcpiError::too_many};
    }
    return out;
}

Result<Fadt, AcpiError> decode_fadt(std::span<const u8> table) {
    using ResetSupported = BitFlag<u32, 10>;
    (void)RAVELIN_TRY(body_of(table, "FACP"));
    const auto at = [table](usize offset) {
        return LittleReader{table.subspan(std::min(offset, table.size()))};
    };
    Fadt out{};
    out.dsdt = HostPhysical{RAVELIN_TRY(lift(at(40).integer<u32>()))};
    out.pm1a_control = static_cast<u16>(RAVELIN_TRY(lift(at(64).integer<u32>())));
    out.pm1b_control = static_cast<u16>(RAVELIN_TRY(lift(at(68).integer<u32>())));
    out.pm_timer = static_cast<u16>(RAVELIN_TRY(lift(at(76).integer<u32>())));
    const u32 flags = RAVELIN_TRY(lift(at(112).integer<u32>()));
    constexpr usize reset_end = 129; // tables of ACPI 1.0 end before the reset register
    if (table.size() >= reset_end && ResetSupported::get(flags)) {
        LittleReader reset = at(116);
        out.reset = RAVELIN_TRY(generic_address(reset));
        out.reset_value = RAVELIN_TRY(lift(reset.byte()));
    }
    constexpr usize x_dsdt = 140;
    if (table.size() >= x_dsdt + 8) {
        const u64 wide = RAVELIN_TRY(lift(at(x_dsdt).integer<u64>()));
        if (wide != 0)
            out.dsdt = HostPhysical{wide};
    }
    return out;
}

std::optional<SoftOff> find_soft_off(std::span<const u8> dsdt) {
    constexpr std::string_view name = "_S5_";
    constexpr u8 package_op = 0x12;
    constexpr u8 byte_prefix = 0x0a;
    constexpr u8 one_op = 0x01; // ZeroOp is 0x00
    const auto small_integer = [](LittleReader& reader) -> std::optional<u8> {
        const auto op = reader.byte();
        if (!op)
            return std::nullopt;
        if (op.value() <= one_op)
            return op.value();
        const auto value = reader.byte();
        if (op.value() != byte_prefix || !value)
            return std::nullopt;
        return value.value();
    };
    for (usize at = header_size; at + name.size() < dsdt.size(); ++at) {
        if (!starts_with(dsdt.subspan(at), name) || dsdt[at + name.size()] != package_op)
            continue;
        LittleReader reader{dsdt.subspan(at + name.size() + 1)};
        const auto length = reader.byte();
        if (!length || !reader.skip(length.value() >> 6) || !reader.skip(1)) // rest, element count
            return std::nullopt;
        const auto a = small_integer(reader);
        const auto b = small_integer(reader);
        if (!a || !b || *a > 7 || *b > 7)
            return std::nullopt;
        return SoftOff{*a, *b};
    }
    return std::nullopt;
}

Result<Tpm2Table, AcpiError> decode_tpm2_table(std::span<const u8> table) {
    LittleReader reader = RAVELIN_TRY(body_of(table, "TPM2"));
    (void)RAVELIN_TRY(lift(reader.skip(4))); // platform class
    Tpm2Table out{};
    out.control_area = HostPhysical{RAVELIN_TRY(lift(reader.integer<u64>()))};
    out.start_method = RAVELIN_TRY(lift(reader.integer<u32>()));
    return out;
}

} // namespace ravelin::wire

// SPDX-License-Identifier: Apache-2.0
#include "wire/dmar.hpp"

#include <base/bits.hpp>
#include <base/cursor.hpp>

#include <algorithm>

namespace ravelin::wire {
namespace {

using Kind = DmarError::Kind;

constexpr usize header_size = 36; // of every ACPI table
constexpr usize fixed_size = 48;  // with host address width, flags and reserved bytes
constexpr std::string_view signature = "DMAR";

enum class Structure : u16 {
    remapping_unit = 0,
    reserved_memory = 1,
    root_ports = 2,
};

/// A reader that knows where in the table it stands.
class Part {
  public:
    Part(std::span<const u8> bytes, usize at) : reader_{bytes}, at_{at} {}

    [[nodiscard]] usize remaining() const { return reader_.remaining(); }
    [[nodiscard]] usize offset() const { return at_ + reader_.offset(); }
    [[nodiscard]] Failure<DmarError> fail(Kind kind) const { return {DmarError{kind, at_}}; }

    template <typename T> [[nodiscard]] Result<T, DmarError> integer() {
        const auto value = reader_.integer<T>();
        if (!value)
            return fail(Kind::truncated);
        return value.value();
    }
    [[nodiscard]] Status<DmarError> skip(usize n) {
        if (!reader_.skip(n))
            return fail(Kind::truncated);
        return ravelin::Unit{};
    }
    [[nodiscard]] Result<Part, DmarError> part(usize n) {
        const usize start = offset();
        const auto bytes = reader_.bytes(n);
        if (!bytes)
            return fail(Kind::truncated);
        return Part{bytes.value(), start};
    }

  private:
    LittleReader reader_;
    usize at_;
};

Result<DeviceScope, DmarError> decode_scope(Part& all) { // [VT-d 8.3.1]
    constexpr usize scope_header = 6;
    Part head = RAVELIN_TRY(all.part(scope_header));
    DeviceScope out{};
    out.type = static_cast<ScopeType>(RAVELIN_TRY(head.integer<u8>()));
    const u8 length = RAVELIN_TRY(head.integer<u8>());
    (void)RAVELIN_TRY(head.skip(2)); // flags, reserved
    out.enumeration_id = RAVELIN_TRY(head.integer<u8>());
    out.start_bus = RAVELIN_TRY(head.integer<u8>());
    if (length < scope_header || length % 2 != 0)
        return head.fail(Kind::bad_length);
    Part path = RAVELIN_TRY(all.part(length - scope_header));
    if (path.remaining() == 0)
        return head.fail(Kind::bad_path);
    while (path.remaining() != 0) {
        ScopeHop hop{};
        hop.device = RAVELIN_TRY(path.integer<u8>());
        hop.function = RAVELIN_TRY(path.integer<u8>());
        if (hop.device > 31 || hop.function > 7)
            return head.fail(Kind::bad_path);
        if (!out.path.push_back(hop))
            return head.fail(Kind::too_many);
    }
    return out;
}

Result<ScopeRange, DmarError> decode_scopes(Part& body, Dmar& out) {
    ScopeRange range{out.scopes.size(), 0};
    while (body.remaining() != 0) {
        const DeviceScope scope = RAVELIN_TRY(decode_scope(body));
        if (!out.scopes.push_back(scope))
            return body.fail(Kind::too_many);
        ++range.count;
    }
    return range;
}

Status<DmarError> decode_unit(Part body, Dmar& out) {
    using IncludeAll = BitFlag<u8, 0>;
    DmarUnit unit{};
    unit.coverage =
        IncludeAll::get(RAVELIN_TRY(body.integer<u8>())) ? Coverage::all_others : Coverage::listed;
    const u8 size = RAVELIN_TRY(body.integer<u8>()); // 2^N pages; reserved before VT-d 4.1
    unit.register_size = Bytes{page_size << (size & 0xf)};
    unit.segment = RAVELIN_TRY(body.integer<u16>());
    unit.registers = HostPhysical{RAVELIN_TRY(body.integer<u64>())};
    if (!unit.registers.is_aligned(page_size) || unit.registers.raw() == 0 ||
        unit.registers.raw() + unit.register_size.raw() < unit.registers.raw())
        return body.fail(Kind::bad_address);
    unit.scopes = RAVELIN_TRY(decode_scopes(body, out));
    if (!out.units.push_back(unit))
        return body.fail(Kind::too_many);
    return ravelin::Unit{};
}

Status<DmarError> decode_reserved_memory(Part body, Dmar& out) {
    DmarReservedMemory memory{};
    (void)RAVELIN_TRY(body.skip(2));
    memory.segment = RAVELIN_TRY(body.integer<u16>());
    memory.start = HostPhysical{RAVELIN_TRY(body.integer<u64>())};
    const u64 limit = RAVELIN_TRY(body.integer<u64>()); // inclusive
    if (!memory.start.is_aligned(page_size) || limit <= memory.start.raw() || limit + 1 == 0)
        return body.fail(Kind::bad_address);
    memory.size = Bytes{limit + 1 - memory.start.raw()};
    memory.scopes = RAVELIN_TRY(decode_scopes(body, out));
    if (!out.reserved.push_back(memory))
        return body.fail(Kind::too_many);
    return ravelin::Unit{};
}

Status<DmarError> decode_root_ports(Part body, Dmar& out) {
    using AllPorts = BitFlag<u8, 0>;
    DmarRootPorts ports{};
    ports.coverage =
        AllPorts::get(RAVELIN_TRY(body.integer<u8>())) ? Coverage::all_others : Coverage::listed;
    (void)RAVELIN_TRY(body.skip(1));
    ports.segment = RAVELIN_TRY(body.integer<u16>());
    ports.scopes = RAVELIN_TRY(decode_scopes(body, out));
    if (!out.root_ports.push_back(ports))
        return body.fail(Kind::too_many);
    return ravelin::Unit{};
}

Status<DmarError> decode_structure(u16 type, Part body, Dmar& out) {
    switch (static_cast<Structure>(type)) {
    case Structure::remapping_unit:
        return decode_unit(body, out);
    case Structure::reserved_memory:
        return decode_reserved_memory(body, out);
    case Structure::root_ports:
        return decode_root_ports(body, out);
    }
    ++out.passed_over; // "software must ignore structures of unknown type" [VT-d 8.2]
    return ravelin::Unit{};
}

} // namespace

std::string_view text(DmarError::Kind kind) {
    switch (kind) {
    case Kind::truncated:
        return "a structure is longer than what holds it";
    case Kind::bad_signature:
        return "not a DMAR table";
    case Kind::bad_length:
        return "a length is impossible";
    case Kind::bad_address:
        return "an address range is impossible";
    case Kind::bad_path:
        return "a device path is impossible";
    case Kind::too_many:
        return "there are too many structures";
    case Kind::no_units:
        return "it names no remapping unit";
    }
    return "unknown";
}

Status<DmarError> decode_dmar(std::span<const u8> table, Dmar& out) {
    using InterruptRemapping = BitFlag<u8, 0>;
    using X2apicOptOut = BitFlag<u8, 1>;
    // Piece by piece: a whole empty one would not fit a stack frame.
    out.units.clear();
    out.reserved.clear();
    out.root_ports.clear();
    out.scopes.clear();
    out.passed_over = 0;
    Part all{table, 0};
    if (table.size() < fixed_size)
        return all.fail(Kind::truncated);
    if (!std::equal(signature.begin(), signature.end(), table.begin(), [](char c, u8 byte) {
            return static_cast<u8>(c) == byte;
        }))
        return all.fail(Kind::bad_signature);
    (void)RAVELIN_TRY(all.skip(signature.size()));
    if (RAVELIN_TRY(all.integer<u32>()) != table.size())
        return all.fail(Kind::bad_length);
    (void)RAVELIN_TRY(all.skip(header_size - signature.size() - sizeof(u32)));
    out.address_width = static_cast<u8>(RAVELIN_TRY(all.integer<u8>()) + 1); // stored less one
    const u8 flags = RAVELIN_TRY(all.integer<u8>());
    out.interrupt_remapping = InterruptRemapping::get(flags);
    out.x2apic_opt_out = X2apicOptOut::get(flags);
    (void)RAVELIN_TRY(all.skip(10));
    while (all.remaining() != 0) {
        constexpr usize structure_header = 4;
        Part head = RAVELIN_TRY(all.part(structure_header));
        const u16 type = RAVELIN_TRY(head.integer<u16>());
        const u16 length = RAVELIN_TRY(head.integer<u16>());
        if (length < structure_header)
            return head.fail(Kind::bad_length);
        const Part body = RAVELIN_TRY(all.part(length - structure_header));
        (void)RAVELIN_TRY(decode_structure(type, body, out));
    }
    if (out.units.empty())
        return all.fail(Kind::no_units);
    return ravelin::Unit{};
}

} // namespace ravelin::wire

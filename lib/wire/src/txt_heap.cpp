// SPDX-License-Identifier: Apache-2.0
#include "wire/txt_heap.hpp"

#include <base/cursor.hpp>

namespace ravelin::wire::txt {
namespace {

using Kind = HeapError::Kind;

constexpr usize size_field = 8; // before each table; it counts itself
constexpr u64 physical_limit = u64{1} << 52;

enum class ElementType : u32 { end = 0, event_log = 8 };

Failure<HeapError> fail(Kind kind, usize offset) {
    return {HeapError{kind, offset}};
}

/// One table: its bytes without the size field, and where it stands.
class Table {
  public:
    Table(std::span<const u8> bytes, usize offset)
        : bytes_{bytes}, offset_{offset}, reader_{bytes} {}

    [[nodiscard]] usize offset() const { return offset_; }
    [[nodiscard]] usize here() const { return offset_ + reader_.offset(); }
    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

    template <typename T> [[nodiscard]] Result<T, HeapError> integer() {
        const auto value = reader_.integer<T>();
        if (!value)
            return fail(Kind::truncated, offset_);
        return value.value();
    }
    [[nodiscard]] Status<HeapError> skip(usize n) {
        if (!reader_.skip(n))
            return fail(Kind::truncated, offset_);
        return Unit{};
    }
    [[nodiscard]] Result<std::span<const u8>, HeapError> take(usize n, Kind kind) {
        const auto bytes = reader_.bytes(n);
        if (!bytes)
            return fail(kind, here());
        return bytes.value();
    }
    /// Part of the table; `from` counts from the size field, as the manual's offsets do, and leads
    /// behind the fixed part.
    [[nodiscard]] Result<std::span<const u8>, HeapError>
    part(u64 from, u64 size, usize fixed_size) const {
        if (from < size_field + fixed_size || from - size_field > bytes_.size() ||
            size > bytes_.size() - (from - size_field))
            return fail(Kind::bad_offset, offset_);
        return bytes_.subspan(static_cast<usize>(from) - size_field, static_cast<usize>(size));
    }

  private:
    std::span<const u8> bytes_;
    usize offset_;
    LittleReader reader_;
};

/// The tables, one after the other.
class Tables {
  public:
    explicit Tables(std::span<const u8> heap) : heap_{heap} {}
    [[nodiscard]] Result<Table, HeapError> next() {
        const usize at = at_;
        LittleReader reader{heap_.subspan(at)};
        const auto size = reader.integer<u64>();
        if (!size || size.value() < size_field || size.value() > heap_.size() - at)
            return fail(Kind::truncated, at);
        at_ += static_cast<usize>(size.value());
        return Table{heap_.subspan(at + size_field, static_cast<usize>(size.value()) - size_field),
                     at};
    }

  private:
    std::span<const u8> heap_;
    usize at_{};
};

Result<u32, HeapError> version(Table& table, u32 first, u32 last) {
    const u32 value = RAVELIN_TRY(table.integer<u32>());
    if (value < first || value > last)
        return fail(Kind::bad_version, table.offset());
    return value;
}

/// A range, or none where its size is zero.
Result<std::optional<MemoryRange>, HeapError> range(Table& table) {
    const u64 start = RAVELIN_TRY(table.integer<u64>());
    const u64 size = RAVELIN_TRY(table.integer<u64>());
    if (size == 0)
        return std::optional<MemoryRange>{};
    if (start >= physical_limit || size > physical_limit - start)
        return fail(Kind::bad_range, table.offset());
    return std::optional{MemoryRange{HostPhysical{start}, Bytes{size}}};
}

/// Elements up to the end element; `take(type, body)` looks at each.
template <typename Take> Status<HeapError> elements(Table& table, Take&& take) {
    for (;;) {
        const usize at = table.here();
        const u32 type = RAVELIN_TRY(table.integer<u32>());
        const u32 size = RAVELIN_TRY(table.integer<u32>());
        constexpr u32 header = 8;
        if (size < header)
            return fail(Kind::bad_element, at);
        if (static_cast<ElementType>(type) == ElementType::end)
            return Unit{};
        const auto body = RAVELIN_TRY(table.take(size - header, Kind::bad_element));
        (void)RAVELIN_TRY(take(static_cast<ElementType>(type), body, at));
    }
}

Status<HeapError> decode_bios(Table table, BiosData& out) {
    out.version = RAVELIN_TRY(version(table, 5, 6));
    out.sinit_size = RAVELIN_TRY(table.integer<u32>());
    (void)RAVELIN_TRY(table.skip(16)); // LcpPdBase, LcpPdSize
    out.logical_processors = RAVELIN_TRY(table.integer<u32>());
    (void)RAVELIN_TRY(table.skip(8)); // SinitFlags, MleFlags
    return elements(
        table, [](ElementType, std::span<const u8>, usize) -> Status<HeapError> { return Unit{}; });
}

Result<EventLogPointer, HeapError> decode_event_log(std::span<const u8> body, usize at) {
    LittleReader reader{body};
    const auto start = reader.integer<u64>();
    const auto capacity = reader.integer<u32>();
    const auto first = reader.integer<u32>();
    const auto next = reader.integer<u32>();
    if (!start || !capacity || !first || !next || !reader.expect_end())
        return fail(Kind::bad_element, at);
    if (start.value() >= physical_limit || next.value() > capacity.value() ||
        first.value() > next.value())
        return fail(Kind::bad_offset, at);
    return EventLogPointer{
        HostPhysical{start.value()}, capacity.value(), first.value(), next.value()};
}

Status<HeapError> decode_os_sinit(Table table, OsSinitData& out) {
    out.version = RAVELIN_TRY(version(table, 6, 7));
    (void)RAVELIN_TRY(table.skip(4)); // Flags
    out.mle_page_table = HostPhysical{RAVELIN_TRY(table.integer<u64>())};
    out.mle_size = Bytes{RAVELIN_TRY(table.integer<u64>())};
    out.mle_header = RAVELIN_TRY(table.integer<u64>());
    out.low_pmr = RAVELIN_TRY(range(table));
    out.high_pmr = RAVELIN_TRY(range(table));
    (void)RAVELIN_TRY(table.skip(16)); // LCP policy data
    out.capabilities = RAVELIN_TRY(table.integer<u32>());
    out.rsdp = HostPhysical{RAVELIN_TRY(table.integer<u64>())};
    return elements(
        table, [&out](ElementType type, std::span<const u8> body, usize at) -> Status<HeapError> {
            if (type != ElementType::event_log)
                return Unit{};
            if (out.event_log)
                return fail(Kind::twice, at);
            out.event_log = RAVELIN_TRY(decode_event_log(body, at));
            return Unit{};
        });
}

Status<HeapError> decode_memory(Table table, u32 count, SinitMleData& out) {
    for (u32 i = 0; i < count; ++i) {
        const auto found = RAVELIN_TRY(range(table));
        const u8 use = RAVELIN_TRY(table.integer<u8>());
        (void)RAVELIN_TRY(table.skip(7));
        if (!found || use > static_cast<u8>(MemoryUse::protected_memory))
            return fail(Kind::bad_range, table.offset());
        if (!out.memory.push_back({*found, static_cast<MemoryUse>(use)}))
            return fail(Kind::too_many, table.offset());
    }
    return Unit{};
}

Status<HeapError> decode_sinit_mle(Table table, SinitMleData& out) {
    constexpr usize fixed_size = 148;
    constexpr u64 descriptor_size = 24;
    out.version = RAVELIN_TRY(version(table, 8, 9));
    (void)RAVELIN_TRY(table.skip(116)); // SHA-1 digests and flags of older versions
    out.rlp_wakeup = RAVELIN_TRY(table.integer<u32>());
    (void)RAVELIN_TRY(table.skip(4));
    const u32 count = RAVELIN_TRY(table.integer<u32>());
    const u32 memory_at = RAVELIN_TRY(table.integer<u32>());
    const u32 dmar_size = RAVELIN_TRY(table.integer<u32>());
    const u32 dmar_at = RAVELIN_TRY(table.integer<u32>());
    (void)RAVELIN_TRY(table.skip(4)); // ProcessorSCRTMStatus
    if (out.version >= 9)
        (void)RAVELIN_TRY(
            elements(table, [](ElementType, std::span<const u8>, usize) -> Status<HeapError> {
                return Unit{};
            }));
    if (count != 0) {
        const auto bytes = RAVELIN_TRY(table.part(memory_at, count * descriptor_size, fixed_size));
        (void)RAVELIN_TRY(decode_memory(Table{bytes, table.offset()}, count, out));
    }
    if (dmar_size != 0)
        out.dmar = RAVELIN_TRY(table.part(dmar_at, dmar_size, fixed_size));
    return Unit{};
}

} // namespace

std::string_view text(HeapError::Kind kind) {
    switch (kind) {
    case Kind::truncated:
        return "a table ends early";
    case Kind::bad_version:
        return "a table's version is not known";
    case Kind::bad_element:
        return "an extended data element is malformed";
    case Kind::bad_offset:
        return "an offset leads outside its table";
    case Kind::bad_range:
        return "a memory range is impossible";
    case Kind::too_many:
        return "too many memory descriptors";
    case Kind::twice:
        return "two event logs";
    }
    return "unknown";
}

Status<HeapError> decode_heap(std::span<const u8> heap, Heap& out) {
    Tables tables{heap};
    (void)RAVELIN_TRY(decode_bios(RAVELIN_TRY(tables.next()), out.bios));
    out.os_mle = RAVELIN_TRY(tables.next()).bytes();
    (void)RAVELIN_TRY(decode_os_sinit(RAVELIN_TRY(tables.next()), out.os_sinit));
    return decode_sinit_mle(RAVELIN_TRY(tables.next()), out.sinit_mle);
}

} // namespace ravelin::wire::txt

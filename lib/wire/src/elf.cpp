// SPDX-License-Identifier: Apache-2.0
// ELF headers, loadable segments and the PVH note.
#include "wire/elf.hpp"

#include <base/cursor.hpp>

#include <algorithm>
#include <array>
#include <optional>

namespace ravelin::wire {
namespace {

constexpr std::array<u8, 4> magic{0x7f, 'E', 'L', 'F'};
constexpr u8 class_32 = 1;
constexpr u8 class_64 = 2;
constexpr u8 little_endian = 1;
constexpr u16 machine_386 = 3;
constexpr u16 machine_x86_64 = 62;
constexpr u32 type_load = 1;
constexpr u32 type_note = 4;
constexpr u32 note_physical_entry = 18; // XEN_ELFNOTE_PHYS32_ENTRY
constexpr u64 four_gib = u64{1} << 32;

template <typename T> Result<T, ElfError> lift(Result<T, CursorError> result) {
    if (!result)
        return Failure{ElfError::truncated};
    return std::move(result).value();
}

struct ProgramHeader {
    u32 type;
    u64 offset;
    u64 physical;
    u64 file_size;
    u64 memory_size;
    u64 alignment;
};

Result<ProgramHeader, ElfError> decode_program_header(std::span<const u8> bytes, bool is_64) {
    LittleReader reader{bytes};
    ProgramHeader out{};
    out.type = RAVELIN_TRY(lift(reader.integer<u32>()));
    if (is_64) {
        (void)RAVELIN_TRY(lift(reader.integer<u32>())); // flags
        out.offset = RAVELIN_TRY(lift(reader.integer<u64>()));
        (void)RAVELIN_TRY(lift(reader.integer<u64>())); // virtual address
        out.physical = RAVELIN_TRY(lift(reader.integer<u64>()));
        out.file_size = RAVELIN_TRY(lift(reader.integer<u64>()));
        out.memory_size = RAVELIN_TRY(lift(reader.integer<u64>()));
        out.alignment = RAVELIN_TRY(lift(reader.integer<u64>()));
    } else {
        out.offset = RAVELIN_TRY(lift(reader.integer<u32>()));
        (void)RAVELIN_TRY(lift(reader.integer<u32>()));
        out.physical = RAVELIN_TRY(lift(reader.integer<u32>()));
        out.file_size = RAVELIN_TRY(lift(reader.integer<u32>()));
        out.memory_size = RAVELIN_TRY(lift(reader.integer<u32>()));
        (void)RAVELIN_TRY(lift(reader.integer<u32>())); // flags
        out.alignment = RAVELIN_TRY(lift(reader.integer<u32>()));
    }
    return out;
}

constexpr usize padded(usize size, u64 alignment) {
    const usize to = alignment == 8 ? 8 : 4;
    return (size + to - 1) / to * to;
}

/// The value of the PHYS32_ENTRY note, if the notes hold one.
Result<std::optional<u32>, ElfError> find_entry(std::span<const u8> notes, u64 alignment) {
    LittleReader reader{notes};
    while (reader.remaining() >= 12) {
        const u32 name_size = RAVELIN_TRY(lift(reader.integer<u32>()));
        const u32 value_size = RAVELIN_TRY(lift(reader.integer<u32>()));
        const u32 type = RAVELIN_TRY(lift(reader.integer<u32>()));
        const auto name = RAVELIN_TRY(lift(reader.bytes(name_size)));
        (void)RAVELIN_TRY(lift(
            reader.skip(std::min(padded(name_size, alignment) - name_size, reader.remaining()))));
        LittleReader value{RAVELIN_TRY(lift(reader.bytes(value_size)))};
        (void)RAVELIN_TRY(lift(
            reader.skip(std::min(padded(value_size, alignment) - value_size, reader.remaining()))));
        constexpr std::array<u8, 4> xen{'X', 'e', 'n', 0};
        if (type != note_physical_entry ||
            !std::equal(name.begin(), name.end(), xen.begin(), xen.end()))
            continue;
        if (value_size == 8) {
            const u64 wide = RAVELIN_TRY(lift(value.integer<u64>()));
            if (wide >= four_gib)
                return Failure{ElfError::entry_outside};
            return std::optional{static_cast<u32>(wide)};
        }
        return std::optional{RAVELIN_TRY(lift(value.integer<u32>()))};
    }
    return std::optional<u32>{};
}

} // namespace

std::string_view text(ElfError error) {
    switch (error) {
    case ElfError::not_elf:
        return "not an ELF file (a bzImage must be unpacked first: ravelin kernel extract)";
    case ElfError::truncated:
        return "the file ends before what its headers promise";
    case ElfError::wrong_machine:
        return "not a little-endian x86 executable";
    case ElfError::bad_header:
        return "program headers of an unknown size";
    case ElfError::too_many_segments:
        return "more than 16 segments to load";
    case ElfError::bad_segment:
        return "a segment is larger in the file than in memory, or lies above 4 GiB";
    case ElfError::no_entry:
        return "no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY)";
    case ElfError::entry_outside:
        return "the PVH entry lies in no segment";
    }
    return "unknown";
}

Result<PvhKernel, ElfError> decode_pvh_kernel(std::span<const u8> file) {
    if (file.size() < 20 || !std::equal(magic.begin(), magic.end(), file.begin()))
        return Failure{ElfError::not_elf};
    const u8 elf_class = file[4];
    const bool is_64 = elf_class == class_64;
    if ((elf_class != class_32 && !is_64) || file[5] != little_endian)
        return Failure{ElfError::wrong_machine};
    LittleReader header{file};
    (void)RAVELIN_TRY(lift(header.skip(18)));
    const u16 machine = RAVELIN_TRY(lift(header.integer<u16>()));
    if (machine != machine_x86_64 && machine != machine_386)
        return Failure{ElfError::wrong_machine};
    (void)RAVELIN_TRY(lift(header.skip(is_64 ? 12 : 8))); // version, entry
    const u64 table =
        is_64 ? RAVELIN_TRY(lift(header.integer<u64>())) : RAVELIN_TRY(lift(header.integer<u32>()));
    (void)RAVELIN_TRY(lift(header.skip(is_64 ? 14 : 10))); // section headers, flags, header size
    const u16 entry_size = RAVELIN_TRY(lift(header.integer<u16>()));
    const u16 count = RAVELIN_TRY(lift(header.integer<u16>()));
    if (entry_size != (is_64 ? 56 : 32))
        return Failure{ElfError::bad_header};

    PvhKernel out{};
    std::optional<u32> entry;
    for (u16 i = 0; i < count; ++i) {
        const u64 at = table + u64{i} * entry_size;
        if (at < table || at > file.size() || file.size() - at < entry_size)
            return Failure{ElfError::truncated};
        const auto program =
            RAVELIN_TRY(decode_program_header(file.subspan(at, entry_size), is_64));
        if (program.type != type_load && program.type != type_note)
            continue;
        if (program.offset > file.size() || program.file_size > file.size() - program.offset)
            return Failure{ElfError::truncated};
        const auto bytes = file.subspan(program.offset, program.file_size);
        if (program.type == type_note) {
            if (!entry)
                entry = RAVELIN_TRY(find_entry(bytes, program.alignment));
            continue;
        }
        if (program.memory_size == 0)
            continue;
        if (program.file_size > program.memory_size || program.physical >= four_gib ||
            program.memory_size > four_gib - program.physical)
            return Failure{ElfError::bad_segment};
        if (!out.segments.push_back(
                {GuestPhysical{program.physical}, Bytes{program.memory_size}, bytes}))
            return Failure{ElfError::too_many_segments};
    }
    if (!entry)
        return Failure{ElfError::no_entry};
    out.entry = *entry;
    const bool inside =
        std::any_of(out.segments.begin(), out.segments.end(), [&out](const ElfSegment& s) {
            return out.entry >= s.address.raw() && out.entry - s.address.raw() < s.size.raw();
        });
    if (!inside)
        return Failure{ElfError::entry_outside};
    return out;
}

} // namespace ravelin::wire

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/tboot_image.hpp"

#include <base/cursor.hpp>
#include <tools/server/error.hpp>
#include <tools/tboot/boot_file.hpp>

#include <algorithm>
#include <array>

namespace ravelin::tools::txt {
namespace {

struct CodeSection {
    u64 address;
    std::span<const u8> bytes;
};

struct Layout {
    u64 base{};
    u64 size{};
    u64 entry{};
    std::vector<CodeSection> code;
};

/// [ELF gABI 4.1] for ELFCLASS32, little-endian.
Result<Layout, CursorError> decode_elf(std::span<const u8> elf) {
    constexpr std::array<u8, 6> magic{0x7f, 'E', 'L', 'F', 1, 1};
    constexpr u32 type_load = 1;
    constexpr u32 type_program_bits = 1;
    constexpr u32 flag_executable = 4;
    LittleReader reader{elf};
    const auto id = RAVELIN_TRY(reader.bytes(16));
    if (!std::equal(magic.begin(), magic.end(), id.begin()))
        return Failure{CursorError::bad_value};
    (void)RAVELIN_TRY(reader.skip(8));
    Layout layout;
    layout.entry = RAVELIN_TRY(reader.integer<u32>());
    const u32 programs = RAVELIN_TRY(reader.integer<u32>());
    const u32 sections = RAVELIN_TRY(reader.integer<u32>());
    (void)RAVELIN_TRY(reader.skip(4 + 2 + 2));
    const u16 program_count = RAVELIN_TRY(reader.integer<u16>());
    const u16 section_size = RAVELIN_TRY(reader.integer<u16>());
    const u16 section_count = RAVELIN_TRY(reader.integer<u16>());
    LittleReader program{elf};
    (void)RAVELIN_TRY(program.skip(programs));
    for (u16 i = 0; i < program_count; ++i) {
        const u32 type = RAVELIN_TRY(program.integer<u32>());
        (void)RAVELIN_TRY(program.skip(8));
        const u32 physical = RAVELIN_TRY(program.integer<u32>());
        (void)RAVELIN_TRY(program.skip(4));
        const u32 size = RAVELIN_TRY(program.integer<u32>());
        (void)RAVELIN_TRY(program.skip(8));
        if (type != type_load)
            continue;
        if (layout.size != 0)
            return Failure{CursorError::bad_value}; // tboot is one segment
        layout.base = physical;
        layout.size = size;
    }
    for (u16 i = 0; i < section_count; ++i) {
        LittleReader section{elf};
        (void)RAVELIN_TRY(section.skip(sections + usize{i} * section_size + 4));
        const u32 type = RAVELIN_TRY(section.integer<u32>());
        const u32 flags = RAVELIN_TRY(section.integer<u32>());
        const u32 address = RAVELIN_TRY(section.integer<u32>());
        const u32 offset = RAVELIN_TRY(section.integer<u32>());
        const u32 size = RAVELIN_TRY(section.integer<u32>());
        if (type != type_program_bits || (flags & flag_executable) == 0)
            continue;
        LittleReader content{elf};
        (void)RAVELIN_TRY(content.skip(offset));
        layout.code.push_back({address, RAVELIN_TRY(content.bytes(size))});
    }
    return layout;
}

void scan_section(const CodeSection& section, TbootImage& image) {
    const auto at = [&](std::size_t i) {
        return i < section.bytes.size() ? section.bytes[i] : u8{0x90};
    };
    for (std::size_t i = 0; i + 1 < section.bytes.size(); ++i) {
        const u64 address = section.address + i;
        if (at(i) == 0x0f && at(i + 1) == 0x37)
            image.getsec.push_back(address);
        // MOV ECX, 3Ah, and an RDMSR not far behind.
        if (at(i) == 0xb9 && at(i + 1) == 0x3a && at(i + 2) == 0 && at(i + 3) == 0 &&
            at(i + 4) == 0)
            for (std::size_t j = i + 5; j < i + 16; ++j)
                if (at(j) == 0x0f && at(j + 1) == 0x32) {
                    image.feature_control_reads.push_back(section.address + j);
                    break;
                }
        // MOV r32, CR4 and MOV CR4, r32.
        if (at(i) == 0x0f && at(i + 1) == 0x20 && (at(i + 2) & 0xf8) == 0xe0)
            image.cr4_reads[address] = at(i + 2) & 7;
        if (at(i) == 0x0f && at(i + 1) == 0x22 && (at(i + 2) & 0xf8) == 0xe0)
            image.cr4_writes[address] = at(i + 2) & 7;
        // JMP through a register, with the UD2 behind it that tboot guards its last jumps with.
        if (at(i) == 0xff && (at(i + 1) & 0xf8) == 0xe0 && at(i + 2) == 0x0f && at(i + 3) == 0x0b)
            image.handovers[address] = at(i + 1) & 7;
    }
}

} // namespace

Result<TbootImage, std::string> scan_tboot(std::span<const u8> elf) {
    const auto layout = decode_elf(elf);
    if (!layout)
        return Failure{std::string{"not an ELF32 file of one segment, as tboot is"}};
    TbootImage image;
    image.base = layout.value().base;
    image.size = layout.value().size;
    image.entry = layout.value().entry;
    if (layout.value().code.empty())
        return Failure{std::string{"no section headers: its code cannot be told from its data"}};
    for (const CodeSection& section : layout.value().code)
        scan_section(section, image);
    if (image.getsec.empty())
        return Failure{std::string{"no GETSEC instruction in its code: not tboot"}};
    if (image.feature_control_reads.empty())
        return Failure{std::string{"no RDMSR of IA32_FEATURE_CONTROL in its code"}};
    if (image.cr4_writes.empty())
        return Failure{std::string{"no MOV to CR4 in its code"}};
    if (image.handovers.empty())
        return Failure{std::string{"no jump to a payload (JMP register; UD2) in its code"}};
    return image;
}

std::vector<u8> read_unpacked(const std::filesystem::path& path) {
    auto content = tboot::read_boot_file(path);
    if (!content)
        throw ServerError{content.error()};
    return std::move(content).value();
}

} // namespace ravelin::tools::txt

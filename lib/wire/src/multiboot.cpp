// SPDX-License-Identifier: Apache-2.0
// Decoders of Multiboot 1 and 2 information.
#include "wire/multiboot.hpp"

#include <base/bits.hpp>
#include <base/cursor.hpp>

#include <algorithm>

namespace ravelin::wire {
namespace {

enum class Tag : u32 { // [Multiboot2 2.0 3.6]
    end = 0,
    command_line = 1,
    module = 3,
    memory_map = 6,
    efi_system_table_64 = 12,
    rsdp_old = 14,
    rsdp_new = 15,
    efi_boot_services = 18,
    efi_image_handle_64 = 20,
};
constexpr usize tag_header_size = 8;
constexpr usize map_entry_size = 24;

struct Multiboot1Flags { // [Multiboot 0.6.96 3.3]
    using CommandLine = BitFlag<u32, 2>;
    using Modules = BitFlag<u32, 3>;
    using MemoryMap = BitFlag<u32, 6>;
};
constexpr usize multiboot1_info_size = 52; // up to and including mmap_addr
constexpr usize string_limit = 4096;

template <typename T> Result<T, MultibootError> lift(Result<T, CursorError> result) {
    if (!result)
        return Failure{MultibootError::truncated};
    return std::move(result).value();
}

std::string_view as_text(std::span<const u8> bytes) {
    // SAFETY: char may alias any byte.
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::string_view, MultibootError> terminated(std::span<const u8> bytes) {
    const auto nul = std::find(bytes.begin(), bytes.end(), u8{0});
    if (nul == bytes.end())
        return Failure{MultibootError::unterminated};
    return as_text(bytes.first(static_cast<usize>(nul - bytes.begin())));
}

Status<MultibootError>
add_module(MultibootInfo& info, u32 start, u32 end, std::string_view command_line) {
    if (end < start)
        return Failure{MultibootError::bad_module};
    if (!info.modules.push_back({HostPhysical{start}, Bytes{end - start}, command_line}))
        return Failure{MultibootError::too_many_modules};
    return Unit{};
}

Status<MultibootError> decode_module(MultibootInfo& info, LittleReader body) {
    const u32 start = RAVELIN_TRY(lift(body.integer<u32>()));
    const u32 end = RAVELIN_TRY(lift(body.integer<u32>()));
    const auto rest = RAVELIN_TRY(lift(body.bytes(body.remaining())));
    return add_module(info, start, end, RAVELIN_TRY(terminated(rest)));
}

Status<MultibootError> decode_memory_map(MultibootInfo& info, LittleReader body) {
    const u32 entry_size = RAVELIN_TRY(lift(body.integer<u32>()));
    (void)RAVELIN_TRY(lift(body.integer<u32>())); // entry_version
    if (entry_size < map_entry_size)
        return Failure{MultibootError::bad_tag};
    while (body.remaining() != 0) {
        LittleReader entry{RAVELIN_TRY(lift(body.bytes(entry_size)))};
        const u64 start = RAVELIN_TRY(lift(entry.integer<u64>()));
        const u64 size = RAVELIN_TRY(lift(entry.integer<u64>()));
        const u32 type = RAVELIN_TRY(lift(entry.integer<u32>()));
        if (!info.memory.push_back({HostPhysical{start}, Bytes{size}, type}))
            return Failure{MultibootError::too_many_ranges};
    }
    return Unit{};
}

Status<MultibootError> decode_tag(MultibootInfo& info, Tag tag, std::span<const u8> bytes) {
    LittleReader body{bytes};
    switch (tag) {
    case Tag::command_line:
        info.command_line = RAVELIN_TRY(terminated(bytes));
        break;
    case Tag::module:
        return decode_module(info, body);
    case Tag::memory_map:
        return decode_memory_map(info, body);
    case Tag::rsdp_old:
        if (info.rsdp.empty())
            info.rsdp = bytes;
        break;
    case Tag::rsdp_new:
        info.rsdp = bytes;
        break;
    case Tag::efi_system_table_64:
        info.efi_system_table = HostPhysical{RAVELIN_TRY(lift(body.integer<u64>()))};
        break;
    case Tag::efi_image_handle_64:
        info.efi_image_handle = RAVELIN_TRY(lift(body.integer<u64>()));
        break;
    case Tag::efi_boot_services:
        info.efi_boot_services = true;
        break;
    case Tag::end:
        break;
    }
    return Unit{};
}

Status<MultibootError>
decode_modules1(PhysicalReader& memory, MultibootInfo& info, u32 count, u32 address) {
    constexpr usize entry_size = 16;
    if (count > decltype(info.modules)::capacity())
        return Failure{MultibootError::too_many_modules};
    LittleReader list{RAVELIN_TRY(memory.view(HostPhysical{address}, count * entry_size))};
    for (u32 i = 0; i < count; ++i) {
        const u32 start = RAVELIN_TRY(lift(list.integer<u32>()));
        const u32 end = RAVELIN_TRY(lift(list.integer<u32>()));
        const u32 string = RAVELIN_TRY(lift(list.integer<u32>()));
        (void)RAVELIN_TRY(lift(list.integer<u32>()));
        std::string_view command_line{};
        if (string != 0)
            command_line =
                RAVELIN_TRY(terminated(memory.view_up_to(HostPhysical{string}, string_limit)));
        (void)RAVELIN_TRY(add_module(info, start, end, command_line));
    }
    return Unit{};
}

Status<MultibootError>
decode_memory_map1(PhysicalReader& memory, MultibootInfo& info, u32 length, u32 address) {
    LittleReader map{RAVELIN_TRY(memory.view(HostPhysical{address}, length))};
    while (map.remaining() != 0) {
        const u32 size = RAVELIN_TRY(lift(map.integer<u32>())); // of what follows this field
        LittleReader entry{RAVELIN_TRY(lift(map.bytes(size)))};
        const u64 start = RAVELIN_TRY(lift(entry.integer<u64>()));
        const u64 bytes = RAVELIN_TRY(lift(entry.integer<u64>()));
        const u32 type = RAVELIN_TRY(lift(entry.integer<u32>()));
        if (!info.memory.push_back({HostPhysical{start}, Bytes{bytes}, type}))
            return Failure{MultibootError::too_many_ranges};
    }
    return Unit{};
}

} // namespace

std::string_view text(MultibootError error) {
    switch (error) {
    case MultibootError::truncated:
        return "a structure is longer than what holds it";
    case MultibootError::unreadable:
        return "a pointer leads outside memory";
    case MultibootError::bad_tag:
        return "a tag is malformed or the end tag is missing";
    case MultibootError::bad_module:
        return "a module ends before it starts";
    case MultibootError::too_many_modules:
        return "more than 16 modules";
    case MultibootError::too_many_ranges:
        return "more than 256 memory ranges";
    case MultibootError::unterminated:
        return "a string has no end";
    }
    return "unknown";
}

Status<MultibootError> decode_multiboot2(std::span<const u8> info, MultibootInfo& out) {
    LittleReader header{info};
    const u32 total = RAVELIN_TRY(lift(header.integer<u32>()));
    (void)RAVELIN_TRY(lift(header.integer<u32>()));
    if (total < tag_header_size || total > info.size())
        return Failure{MultibootError::truncated};
    LittleReader tags{info.subspan(tag_header_size, total - tag_header_size)};
    for (;;) {
        if (tags.remaining() < tag_header_size)
            return Failure{MultibootError::bad_tag};
        const u32 type = RAVELIN_TRY(lift(tags.integer<u32>()));
        const u32 size = RAVELIN_TRY(lift(tags.integer<u32>()));
        if (size < tag_header_size)
            return Failure{MultibootError::bad_tag};
        const auto body = RAVELIN_TRY(lift(tags.bytes(size - tag_header_size)));
        if (static_cast<Tag>(type) == Tag::end)
            return Unit{};
        (void)RAVELIN_TRY(decode_tag(out, static_cast<Tag>(type), body));
        const usize padding = (8 - size % 8) % 8; // tags start 8-byte aligned
        (void)RAVELIN_TRY(lift(tags.skip(std::min(padding, tags.remaining()))));
    }
}

Status<MultibootError>
decode_multiboot1(PhysicalReader& memory, HostPhysical info, MultibootInfo& out) {
    LittleReader fields{RAVELIN_TRY(memory.view(info, multiboot1_info_size))};
    const u32 flags = RAVELIN_TRY(lift(fields.integer<u32>()));
    (void)RAVELIN_TRY(lift(fields.skip(12))); // mem_lower, mem_upper, boot_device
    const u32 command_line = RAVELIN_TRY(lift(fields.integer<u32>()));
    const u32 module_count = RAVELIN_TRY(lift(fields.integer<u32>()));
    const u32 module_list = RAVELIN_TRY(lift(fields.integer<u32>()));
    (void)RAVELIN_TRY(lift(fields.skip(16))); // symbols
    const u32 map_length = RAVELIN_TRY(lift(fields.integer<u32>()));
    const u32 map_address = RAVELIN_TRY(lift(fields.integer<u32>()));

    if (Multiboot1Flags::CommandLine::get(flags))
        out.command_line =
            RAVELIN_TRY(terminated(memory.view_up_to(HostPhysical{command_line}, string_limit)));
    if (Multiboot1Flags::Modules::get(flags))
        (void)RAVELIN_TRY(decode_modules1(memory, out, module_count, module_list));
    if (Multiboot1Flags::MemoryMap::get(flags))
        (void)RAVELIN_TRY(decode_memory_map1(memory, out, map_length, map_address));
    return Unit{};
}

} // namespace ravelin::wire

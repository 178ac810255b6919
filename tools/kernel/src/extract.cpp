// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/kernel/extract.hpp"

#include "decompress.hpp"

#include <base/cursor.hpp>

#include <algorithm>

namespace ravelin::tools {
namespace {

/// A number at an offset of a file of any size.
template <typename T>
Result<T, KernelError> number_at(std::span<const u8> file, u64 offset, KernelError otherwise) {
    if (offset > file.size())
        return Failure{otherwise};
    const auto value = LittleReader{file.subspan(offset)}.integer<T>();
    if (!value)
        return Failure{otherwise};
    return value.value();
}

Result<std::span<const u8>, KernelError> part_of(std::span<const u8> file, u64 offset, u64 size) {
    if (offset > file.size() || size > file.size() - offset)
        return Failure{KernelError::truncated};
    return file.subspan(offset, size);
}

/// The compressed stream [Linux, x86 boot protocol: setup_sects, header, version, payload_offset,
/// payload_length].
Result<std::span<const u8>, KernelError> payload(std::span<const u8> file) {
    constexpr auto no = KernelError::not_a_bzimage;
    constexpr u32 signature = 0x53726448; // "HdrS"
    if (RAVELIN_TRY(number_at<u32>(file, 0x202, no)) != signature ||
        RAVELIN_TRY(number_at<u16>(file, 0x206, no)) < 0x0208)
        return Failure{no};
    const u8 stated = RAVELIN_TRY(number_at<u8>(file, 0x1f1, no));
    const u64 setup_sectors = stated == 0 ? 4 : stated;
    const u64 offset = RAVELIN_TRY(number_at<u32>(file, 0x248, no));
    const u64 length = RAVELIN_TRY(number_at<u32>(file, 0x24c, no));
    return part_of(file, (setup_sectors + 1) * 512 + offset, length);
}

/// Whether a PT_NOTE segment holds the note "Xen", type 18 [Xen public/elfnote.h].
Result<bool, KernelError> notes_have_entry(std::span<const u8> notes) {
    LittleReader reader{notes};
    const auto padded = [](u32 size) { return (usize{size} + 3) & ~usize{3}; };
    while (reader.remaining() >= 12) {
        const u32 name_size = reader.integer<u32>().value();
        const u32 data_size = reader.integer<u32>().value();
        const u32 type = reader.integer<u32>().value();
        const auto name = reader.bytes(std::min(padded(name_size), reader.remaining())).value();
        static_cast<void>(reader.skip(std::min(padded(data_size), reader.remaining())));
        constexpr std::string_view xen{"Xen\0", 4};
        if (type == 18 && name_size == 4 &&
            std::equal(xen.begin(), xen.end(), name.begin(), name.end()))
            return true;
    }
    return false;
}

/// ELF64 for x86-64 with the PVH entry in one of its notes [System V ABI, ELF-64].
Status<KernelError> check_elf(std::span<const u8> elf) {
    constexpr auto no = KernelError::not_an_elf;
    if (RAVELIN_TRY(number_at<u32>(elf, 0, no)) != 0x464c457f || // "\x7fELF"
        RAVELIN_TRY(number_at<u8>(elf, 4, no)) != 2 ||           // 64 bit
        RAVELIN_TRY(number_at<u16>(elf, 18, no)) != 62)          // EM_X86_64
        return Failure{no};
    const u64 table = RAVELIN_TRY(number_at<u64>(elf, 32, no));
    const u16 entry_size = RAVELIN_TRY(number_at<u16>(elf, 54, no));
    const u16 count = RAVELIN_TRY(number_at<u16>(elf, 56, no));
    if (table > elf.size() || entry_size < 56)
        return Failure{no};
    for (u64 i = 0; i < count; ++i) {
        const u64 at = table + i * entry_size;
        if (RAVELIN_TRY(number_at<u32>(elf, at, no)) != 4) // PT_NOTE
            continue;
        const u64 offset = RAVELIN_TRY(number_at<u64>(elf, at + 8, no));
        const u64 size = RAVELIN_TRY(number_at<u64>(elf, at + 32, no));
        if (RAVELIN_TRY(notes_have_entry(RAVELIN_TRY(part_of(elf, offset, size)))))
            return Unit{};
    }
    return Failure{KernelError::no_pvh_entry};
}

} // namespace

std::string_view describe(KernelError error) {
    switch (error) {
    case KernelError::not_a_bzimage:
        return "not a bzImage of boot protocol 2.08 or later";
    case KernelError::truncated:
        return "a header points behind the end of the file";
    case KernelError::unknown_compression:
        return "compressed with something other than gzip, xz, zstd or lz4";
    case KernelError::corrupt:
        return "the compressed data does not decode";
    case KernelError::too_large:
        return "decodes to more than 512 MiB";
    case KernelError::not_an_elf:
        return "what was compressed is no ELF64 file for x86-64";
    case KernelError::no_pvh_entry:
        return "the kernel has no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY)";
    }
    return "unknown error";
}

Result<std::vector<u8>, KernelError> extract_kernel(std::span<const u8> bzimage) {
    std::vector<u8> elf = RAVELIN_TRY(decompress(RAVELIN_TRY(payload(bzimage))));
    static_cast<void>(RAVELIN_TRY(check_elf(elf)));
    return elf;
}

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "gpt.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace ravelin::tools {
namespace {

constexpr u64 sector = 512;
constexpr u64 first_usable = 2048; // 1 MiB, where every tool aligns the first partition
constexpr u64 entry_count = 128;
constexpr u64 entry_size = 128;
constexpr u64 table_sectors = entry_count * entry_size / sector;

using Guid = std::array<u8, 16>; // as on disk: the first three fields little-endian

// C12A7328-F81F-11D2-BA4B-00A0C93EC93B, EFI System Partition [UEFI 2.10, table 5.7].
constexpr Guid efi_system_partition{
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
constexpr Guid disk_identity{
    'R', 'a', 'v', 'e', 'l', 'i', 'n', 0x40, 0x80, 'd', 'i', 's', 'k', 0, 0, 1};
constexpr Guid partition_identity{
    'R', 'a', 'v', 'e', 'l', 'i', 'n', 0x40, 0x80, 'p', 'a', 'r', 't', 0, 0, 1};

u32 crc32(std::span<const u8> bytes) {
    u32 crc = ~0U;
    for (const u8 byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320U : crc >> 1;
    }
    return ~crc;
}

template <typename T> void put(std::span<u8> out, std::size_t offset, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out[offset + i] = static_cast<u8>(value >> (8 * i));
}

void put(std::span<u8> out, std::size_t offset, const Guid& guid) {
    std::copy(guid.begin(), guid.end(), out.begin() + static_cast<std::ptrdiff_t>(offset));
}

std::vector<u8> partition_entries(u64 first, u64 last) {
    std::vector<u8> entries(entry_count * entry_size);
    put(entries, 0, efi_system_partition);
    put(entries, 16, partition_identity);
    put(entries, 32, first);
    put(entries, 40, last);
    std::size_t at = 56;
    for (const char c : std::string_view{"EFI system"}) {
        put(entries, at, static_cast<u16>(c));
        at += 2;
    }
    return entries;
}

/// One of the two headers [UEFI 2.10, table 5.5].
std::vector<u8> header(u64 here, u64 other, u64 table, u64 disk_sectors, u32 entries_crc) {
    std::vector<u8> out(sector);
    constexpr std::string_view signature = "EFI PART";
    std::copy(signature.begin(), signature.end(), out.begin());
    put(out, 8, u32{0x00010000});
    put(out, 12, u32{92});
    put(out, 24, here);
    put(out, 32, other);
    put(out, 40, first_usable);
    put(out, 48, disk_sectors - table_sectors - 2);
    put(out, 56, disk_identity);
    put(out, 72, table);
    put(out, 80, static_cast<u32>(entry_count));
    put(out, 84, static_cast<u32>(entry_size));
    put(out, 88, entries_crc);
    put(out, 16, crc32(std::span{out}.first(92)));
    return out;
}

void protective_mbr(std::span<u8> out, u64 disk_sectors) {
    out[446 + 4] = 0xee;
    put(out, 446 + 8, u32{1});
    put(out, 446 + 12, static_cast<u32>(disk_sectors - 1));
    out[510] = 0x55;
    out[511] = 0xaa;
}

} // namespace

std::vector<u8> make_gpt_disk(std::span<const u8> partition) {
    const u64 partition_sectors = partition.size() / sector;
    const u64 disk_sectors = first_usable + partition_sectors + table_sectors + 1;
    std::vector<u8> disk(disk_sectors * sector);
    const auto place = [&disk](u64 at, std::span<const u8> bytes) {
        std::copy(
            bytes.begin(), bytes.end(), disk.begin() + static_cast<std::ptrdiff_t>(at * sector));
    };
    const std::vector<u8> entries =
        partition_entries(first_usable, first_usable + partition_sectors - 1);
    const u32 entries_crc = crc32(entries);
    const u64 backup = disk_sectors - 1;
    const u64 backup_table = backup - table_sectors;
    protective_mbr(disk, disk_sectors);
    place(1, header(1, backup, 2, disk_sectors, entries_crc));
    place(2, entries);
    place(first_usable, partition);
    place(backup_table, entries);
    place(backup, header(backup, 1, backup_table, disk_sectors, entries_crc));
    return disk;
}

} // namespace ravelin::tools

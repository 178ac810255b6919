// SPDX-License-Identifier: Apache-2.0
// The TXT heap as the BIOS and SINIT write it, and as SINIT reads what the launching software
// wrote. (What the launched software reads has its own decoder, wire/txt_heap.hpp: the two are kept
// apart so that one mistake cannot hide in both.) [TXT SDG, appendix C]
#pragma once

#include "tools/txt/memory.hpp"

#include <base/cursor.hpp>
#include <base/result.hpp>

#include <array>
#include <vector>

namespace ravelin::tools::txt {

/// BiosData version 6 with its size field, as it stands at the heap's start.
struct BiosData {
    u32 sinit_size{}; ///< of the module that the BIOS left at SINIT.BASE; 0: none
    u32 processors{};
};
[[nodiscard]] std::vector<u8> encode(const BiosData& data);

/// OsSinitData versions 6 and 7. [TXT SDG C.4]
struct OsSinitData {
    u32 version{};
    u64 page_table{};
    u64 mle_size{};
    u64 mle_header{}; ///< linear, in the MLE's own page table
    u64 low_protected_base{};
    u64 low_protected_size{};
    u64 high_protected_base{};
    u64 high_protected_size{};
    u32 capabilities{};
    struct EventLog {
        u64 address{};
        u32 size{};
        u64 next_at{}; ///< where in memory the log's NextRecordOffset lies
    };
    std::optional<EventLog> event_log; ///< TCG crypto-agile
};

/// The heap's four parts, in their order; each begins behind its own size.
struct HeapParts {
    std::array<u64, 3> address{}; ///< of BiosData, OsMleData and OsSinitData, behind their sizes
    std::array<u64, 3> size{};    ///< without the size fields
    u64 sinit_mle_data{};         ///< where SINIT writes; its size field comes first
};
enum class HeapError : u8 { outside, bad_size, bad_version, bad_element };
[[nodiscard]] Result<HeapParts, HeapError>
find_heap_parts(PhysicalMemory& memory, u64 base, u64 size);
[[nodiscard]] Result<OsSinitData, HeapError> decode_os_sinit_data(std::span<const u8> bytes,
                                                                  u64 address);

enum class MemoryKind : u8 { good = 0, pcie_configuration = 3 };
struct MemoryDescriptor {
    u64 base{};
    u64 size{};
    MemoryKind kind{};
};
/// SinitMleData version 9. [TXT SDG C.5]
struct SinitMleData {
    u32 edx{}; ///< of SENTER
    std::array<u8, 20> sinit_hash{};
    std::array<u8, 20> mle_hash{};
    u64 wakeup{}; ///< where an RLP's monitor is set
    std::vector<MemoryDescriptor> memory;
    std::vector<u8> dmar;
};
[[nodiscard]] std::vector<u8> encode(const SinitMleData& data);

} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
// The measured launch environment as SINIT finds it: through the launcher's page table, by its
// header. [TXT SDG, 2.1 and 2.2]
#pragma once

#include "tools/txt/memory.hpp"

#include <base/result.hpp>

#include <string_view>
#include <vector>

namespace ravelin::tools::txt {

enum class MleError : u8 {
    bad_size,          ///< nothing, or more than 1 GiB
    unmapped,          ///< a page is absent, or its table is not in RAM
    large_page,        ///< only pages of 4 KiB are taken
    not_ascending,     ///< a page lies below the one before it
    outside_protected, ///< a page that DMA could reach
    no_header,         ///< the header is outside, or its identifier is another
    old_version,       ///< older than the module takes
    bad_entry,         ///< the entry is outside
};
[[nodiscard]] std::string_view text(MleError error);

/// Memory that DMA is kept out of during the launch, as OsSinitData asks.
struct ProtectedMemory {
    u64 base{};
    u64 size{};
    [[nodiscard]] bool holds(u64 address, u64 length) const {
        return address >= base && length <= size && address - base <= size - length;
    }
};

struct MeasuredEnvironmentImage {
    std::vector<u8> bytes; ///< what is measured: all pages, in linear order
    u64 entry{};           ///< physical
    u32 capabilities{};
};

/// Walks the page table (PAE, pages of 4 KiB) from linear address 0 and checks what SINIT checks.
[[nodiscard]] Result<MeasuredEnvironmentImage, MleError> read_mle(PhysicalMemory& memory,
                                                                  u64 page_table,
                                                                  u64 size,
                                                                  u64 header,
                                                                  u32 least_version,
                                                                  ProtectedMemory allowed);

} // namespace ravelin::tools::txt

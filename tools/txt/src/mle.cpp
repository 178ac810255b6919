// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/mle.hpp"

#include <base/cursor.hpp>

#include <algorithm>
#include <array>

namespace ravelin::tools::txt {
namespace {

constexpr u64 page_size = 4096;
constexpr u64 largest = 1ULL << 30;
constexpr u64 frame_mask = 0x000f'ffff'ffff'f000;
constexpr u64 present = 1;
constexpr u64 large = 1 << 7;
/// 9082ac5a-476f-74a7-5c0f-55a2cb51b642
constexpr std::array<u8, 16> header_id{
    0x5a, 0xac, 0x82, 0x90, 0x6f, 0x47, 0xa7, 0x74, 0x0f, 0x5c, 0x55, 0xa2, 0xcb, 0x51, 0xb6, 0x42};

Result<u64, MleError> table_entry(PhysicalMemory& memory, u64 table, u64 index) {
    const auto entry = memory.read64(table + 8 * index);
    if (!entry || (*entry & present) == 0)
        return Failure{MleError::unmapped};
    return *entry;
}

Result<u64, MleError> page_of(PhysicalMemory& memory, u64 page_table, u64 linear) {
    const u64 directory = RAVELIN_TRY(table_entry(memory, page_table, linear >> 30 & 3));
    const u64 table =
        RAVELIN_TRY(table_entry(memory, directory & frame_mask, linear >> 21 & 0x1ff));
    if ((table & large) != 0)
        return Failure{MleError::large_page};
    const u64 page = RAVELIN_TRY(table_entry(memory, table & frame_mask, linear >> 12 & 0x1ff));
    return page & frame_mask;
}

struct Header {
    u32 version;
    u32 entry;
    u32 capabilities;
};

Result<Header, CursorError> decode_header(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    const auto id = RAVELIN_TRY(reader.bytes(header_id.size()));
    if (!std::equal(id.begin(), id.end(), header_id.begin()))
        return Failure{CursorError::bad_value};
    (void)RAVELIN_TRY(reader.skip(4)); // length
    Header header{};
    header.version = RAVELIN_TRY(reader.integer<u32>());
    header.entry = RAVELIN_TRY(reader.integer<u32>());
    (void)RAVELIN_TRY(reader.skip(4 + 4 + 4)); // first valid page, start, end
    header.capabilities = RAVELIN_TRY(reader.integer<u32>());
    return header;
}

} // namespace

std::string_view text(MleError error) {
    switch (error) {
    case MleError::bad_size:
        return "its size is nothing, or too large";
    case MleError::unmapped:
        return "a page is not mapped";
    case MleError::large_page:
        return "a page is larger than 4 KiB";
    case MleError::not_ascending:
        return "its pages do not ascend";
    case MleError::outside_protected:
        return "a page is outside the memory that DMA is kept out of";
    case MleError::no_header:
        return "no header";
    case MleError::old_version:
        return "its version is too old";
    case MleError::bad_entry:
        return "its entry is outside";
    }
    return "?";
}

Result<MeasuredEnvironmentImage, MleError> read_mle(PhysicalMemory& memory,
                                                    u64 page_table,
                                                    u64 size,
                                                    u64 header,
                                                    u32 least_version,
                                                    ProtectedMemory allowed) {
    if (size == 0 || size > largest)
        return Failure{MleError::bad_size};
    MeasuredEnvironmentImage mle;
    std::vector<u64> pages;
    for (u64 linear = 0; linear < size; linear += page_size) {
        const u64 page = RAVELIN_TRY(page_of(memory, page_table, linear));
        if (!pages.empty() && page <= pages.back())
            return Failure{MleError::not_ascending};
        if (!allowed.holds(page, page_size))
            return Failure{MleError::outside_protected};
        const auto bytes = memory.read(page, page_size);
        if (!bytes)
            return Failure{MleError::unmapped};
        pages.push_back(page);
        mle.bytes.insert(mle.bytes.end(), bytes->begin(), bytes->end());
    }
    mle.bytes.resize(size);
    if (header >= size)
        return Failure{MleError::no_header};
    const auto decoded = decode_header(std::span{mle.bytes}.subspan(header));
    if (!decoded)
        return Failure{MleError::no_header};
    if (decoded.value().version < least_version)
        return Failure{MleError::old_version};
    if (decoded.value().entry >= size)
        return Failure{MleError::bad_entry};
    mle.capabilities = decoded.value().capabilities;
    mle.entry = pages[decoded.value().entry / page_size] + decoded.value().entry % page_size;
    return mle;
}

} // namespace ravelin::tools::txt

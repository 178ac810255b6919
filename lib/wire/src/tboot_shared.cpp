// SPDX-License-Identifier: Apache-2.0
#include "wire/tboot_shared.hpp"

#include <base/cursor.hpp>

#include <algorithm>
#include <array>

namespace ravelin::wire::tboot {
namespace {

constexpr std::array<u8, 16> uuid{
    0xff, 0x8d, 0x3c, 0x66, 0xb3, 0xe8, 0x82, 0x4b, 0xbf, 0xaa, 0x19, 0xea, 0x4d, 0x05, 0x7a, 0x08};
constexpr u32 known_version = 6;
constexpr u32 flag_wakes_by_mwait = 1;
constexpr u64 four_gib = u64{1} << 32;
constexpr usize base_at = 0x68;

u32 read(std::span<const u8> page, usize at) {
    u32 value = 0;
    for (usize i = 0; i < sizeof(value); ++i)
        value |= u32{page[at + i]} << (8 * i);
    return value;
}

} // namespace

std::string_view text(SharedError error) {
    switch (error) {
    case SharedError::truncated:
        return "less than a page";
    case SharedError::bad_uuid:
        return "not tboot's page";
    case SharedError::bad_version:
        return "a version that is not known";
    case SharedError::bad_range:
        return "tboot's own memory is impossible";
    case SharedError::bad_entry:
        return "the shutdown entry lies outside tboot";
    }
    return "unknown";
}

Result<Shared, SharedError> decode_shared(std::span<const u8> page) {
    if (page.size() < Shared::size)
        return Failure{SharedError::truncated};
    if (!std::equal(uuid.begin(), uuid.end(), page.begin()))
        return Failure{SharedError::bad_uuid};
    Shared out{};
    out.version = read(page, 0x10);
    if (out.version != known_version)
        return Failure{SharedError::bad_version};
    out.log = HostPhysical{read(page, 0x14)};
    out.shutdown_entry = HostPhysical{read(page, 0x18)};
    out.base = HostPhysical{read(page, base_at)};
    out.bytes = Bytes{read(page, base_at + 4)};
    if (out.bytes.raw() == 0 || out.bytes.raw() > four_gib - out.base.raw())
        return Failure{SharedError::bad_range};
    if (out.shutdown_entry < out.base || out.shutdown_entry - out.base >= out.bytes.raw())
        return Failure{SharedError::bad_entry};
    out.waiting_processors = read(page, offset::waiting_processors);
    out.wakes_by_mwait = (read(page, 0x238) & flag_wakes_by_mwait) != 0;
    return out;
}

} // namespace ravelin::wire::tboot

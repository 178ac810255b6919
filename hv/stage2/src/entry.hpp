// SPDX-License-Identifier: Apache-2.0
// The two encodings of a stage-2 entry. Nested pages are long-mode entries whose U/S bit must be
// set, because every guest access counts as a user access [AMD APM vol2 15.25.5]; accessed and
// dirty are set beforehand so that hardware never writes a table. EPT entries: [SDM vol3 29.3.2].
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>
#include <hv/stage2/page_table.hpp>

namespace ravelin::hv::stage2::entry {

constexpr u64 address_mask = 0x000f'ffff'ffff'f000;
constexpr unsigned levels = 4;

struct NestedPage {
    using Present = BitFlag<u64, 0>;
    using Writable = BitFlag<u64, 1>;
    using User = BitFlag<u64, 2>;
    using WriteThrough = BitFlag<u64, 3>;
    using CacheDisable = BitFlag<u64, 4>;
    using Accessed = BitFlag<u64, 5>;
    using Dirty = BitFlag<u64, 6>;
    using Leaf = BitFlag<u64, 7>;
    using NoExecute = BitFlag<u64, 63>;
};

struct ExtendedPage {
    using Read = BitFlag<u64, 0>;
    using Write = BitFlag<u64, 1>;
    using Execute = BitFlag<u64, 2>;
    using Type = BitField<u64, 5, 3>; ///< 0 uncached, 6 write-back
    using Leaf = BitFlag<u64, 7>;
    static constexpr u64 write_back = 6;
};

[[nodiscard]] constexpr u64 page_bytes(unsigned level) {
    return u64{1} << (page_shift + 9 * (level - 1));
}
[[nodiscard]] constexpr u64 index(u64 address, unsigned level) {
    return (address >> (page_shift + 9 * (level - 1))) & 511;
}
[[nodiscard]] constexpr bool is_present(u64 entry) {
    return (entry & 7) != 0;
}
[[nodiscard]] constexpr bool is_leaf(u64 entry, unsigned level) {
    return level == 1 || NestedPage::Leaf::get(entry);
}
[[nodiscard]] constexpr u64 address(u64 entry) {
    return entry & address_mask;
}

[[nodiscard]] constexpr u64 table(Format format, HostFrame frame) {
    const u64 at = frame.address().raw();
    if (format == Format::nested_pages)
        return at | NestedPage::Present::of(true) | NestedPage::Writable::of(true) |
               NestedPage::User::of(true) | NestedPage::Accessed::of(true);
    return at | ExtendedPage::Read::of(true) | ExtendedPage::Write::of(true) |
           ExtendedPage::Execute::of(true);
}

[[nodiscard]] constexpr u64
leaf(Format format, u64 host, unsigned level, Access access, MemoryType type) {
    const bool uncached = type == MemoryType::uncached;
    if (format == Format::nested_pages)
        return host | NestedPage::Present::of(true) |
               NestedPage::Writable::of(allows(access, Access::write)) |
               NestedPage::User::of(true) | NestedPage::WriteThrough::of(uncached) |
               NestedPage::CacheDisable::of(uncached) | NestedPage::Accessed::of(true) |
               NestedPage::Dirty::of(true) | NestedPage::Leaf::of(level > 1) |
               NestedPage::NoExecute::of(!allows(access, Access::execute));
    return host | ExtendedPage::Read::of(allows(access, Access::read)) |
           ExtendedPage::Write::of(allows(access, Access::write)) |
           ExtendedPage::Execute::of(allows(access, Access::execute)) |
           ExtendedPage::Type::of(uncached ? 0 : ExtendedPage::write_back) |
           ExtendedPage::Leaf::of(level > 1);
}

[[nodiscard]] constexpr Access access(Format format, u64 entry) {
    Access out = Access::none;
    const auto grant = [&out](bool yes, Access what) {
        if (yes)
            out = out | what;
    };
    if (format == Format::nested_pages) {
        grant(NestedPage::Present::get(entry), Access::read);
        grant(NestedPage::Writable::get(entry), Access::write);
        grant(!NestedPage::NoExecute::get(entry), Access::execute);
    } else {
        grant(ExtendedPage::Read::get(entry), Access::read);
        grant(ExtendedPage::Write::get(entry), Access::write);
        grant(ExtendedPage::Execute::get(entry), Access::execute);
    }
    return out;
}

[[nodiscard]] constexpr MemoryType type(Format format, u64 entry) {
    const bool uncached = format == Format::nested_pages ? NestedPage::CacheDisable::get(entry)
                                                         : ExtendedPage::Type::get(entry) == 0;
    return uncached ? MemoryType::uncached : MemoryType::write_back;
}

// Golden values: 2 MiB of RAM at 4 GiB with all rights; an uncached read-only page without execute.
static_assert(leaf(Format::nested_pages, 0x1'0000'0000, 2, Access::all, MemoryType::write_back) ==
              0x1'0000'00e7);
static_assert(leaf(Format::nested_pages, 0xfee0'0000, 1, Access::read, MemoryType::uncached) ==
              0x8000'0000'fee0'007d);
static_assert(
    leaf(Format::extended_page_tables, 0x1'0000'0000, 2, Access::all, MemoryType::write_back) ==
    0x1'0000'00b7);

} // namespace ravelin::hv::stage2::entry

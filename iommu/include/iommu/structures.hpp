// SPDX-License-Identifier: Apache-2.0
// What VT-d hardware reads from memory: root and context entries of legacy mode, second-level
// entries, invalidation descriptors, interrupt remapping entries. Each is one or two 64-bit words,
// built here only. [VT-d 9, 6.5.2]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

#include <array>

namespace ravelin::iommu {

/// The number under which hardware tags a domain's cached translations. Zero is never used: a unit
/// in caching mode tags not-present entries with it. [VT-d 6.1]
struct DomainTagTag;
using DomainTag = Strong<DomainTagTag, u16>;

using Pair = std::array<u64, 2>; ///< lower half first

constexpr u64 table_address_mask = 0x000f'ffff'ffff'f000;

/// [VT-d 9.1] An entry for each bus.
struct RootEntry {
    using P = BitFlag<u64, 0>;
    [[nodiscard]] static constexpr Pair of(HostFrame context_table) {
        return {context_table.address().raw() | P::of(true), 0};
    }
};

/// [VT-d 9.3] An entry for each device and function of a bus.
struct ContextEntry {
    using P = BitFlag<u64, 0>;
    using Fpd = BitFlag<u64, 1>;
    using T = BitField<u64, 3, 2>;    ///< 0: second-level translation, requests only untranslated
    using Aw = BitField<u64, 2, 0>;   ///< of the upper half; 1: 3 levels, 2: 4 levels
    using Did = BitField<u64, 23, 8>; ///< of the upper half
    [[nodiscard]] static constexpr Pair of(HostFrame root, unsigned levels, DomainTag tag) {
        return {root.address().raw() | P::of(true),
                Aw::of(u64{levels} - 2) | Did::of(u64{tag.raw()})};
    }
};

/// [VT-d 9.8] Second-level paging entries.
struct SecondLevelEntry {
    using R = BitFlag<u64, 0>;
    using W = BitFlag<u64, 1>;
    using Ps = BitFlag<u64, 7>;
    [[nodiscard]] static constexpr u64 table(HostFrame frame) {
        return frame.address().raw() | R::of(true) | W::of(true);
    }
    [[nodiscard]] static constexpr u64 leaf(HostPhysical page, unsigned level, Access access) {
        return page.raw() | R::of(allows(access, Access::read)) |
               W::of(allows(access, Access::write)) | Ps::of(level > 1);
    }
    [[nodiscard]] static constexpr bool present(u64 entry) { return (entry & 3) != 0; }
    [[nodiscard]] static constexpr bool is_leaf(u64 entry, unsigned level) {
        return level == 1 || Ps::get(entry);
    }
    [[nodiscard]] static constexpr Access access(u64 entry) {
        return (R::get(entry) ? Access::read : Access::none) |
               (W::get(entry) ? Access::write : Access::none);
    }
};

/// [VT-d 6.5.2] 128-bit invalidation descriptors.
struct Descriptor {
    using Type = BitField<u64, 3, 0>;
    using G = BitField<u64, 5, 4>;
    using Did = BitField<u64, 31, 16>;
    using Sid = BitField<u64, 47, 32>;
    static constexpr u64 global = 1;
    static constexpr u64 domain = 2;
    static constexpr u64 device = 3;

    [[nodiscard]] static constexpr Pair context_global() {
        return {Type::of(1) | G::of(global), 0};
    }
    [[nodiscard]] static constexpr Pair context_device(DomainTag tag, u16 source_id) {
        return {Type::of(1) | G::of(device) | Did::of(u64{tag.raw()}) | Sid::of(u64{source_id}), 0};
    }
    /// IOTLB with read and write drain: what was on its way is in memory when it completes.
    using Dw = BitFlag<u64, 6>;
    using Dr = BitFlag<u64, 7>;
    [[nodiscard]] static constexpr Pair iotlb_global() {
        return {Type::of(2) | G::of(global) | Dw::of(true) | Dr::of(true), 0};
    }
    [[nodiscard]] static constexpr Pair iotlb_domain(DomainTag tag) {
        return {Type::of(2) | G::of(domain) | Dw::of(true) | Dr::of(true) | Did::of(u64{tag.raw()}),
                0};
    }
    /// Interrupt entry cache: everything, or one index.
    using IndexSelective = BitFlag<u64, 4>;
    using Iidx = BitField<u64, 47, 32>;
    [[nodiscard]] static constexpr Pair interrupt_global() { return {Type::of(4), 0}; }
    [[nodiscard]] static constexpr Pair interrupt_index(u16 index) {
        return {Type::of(4) | IndexSelective::of(true) | Iidx::of(u64{index}), 0};
    }
    /// Writes `token` to `status` when everything before it is done.
    using Sw = BitFlag<u64, 5>;
    using Fn = BitFlag<u64, 6>;
    using StatusData = BitField<u64, 63, 32>;
    [[nodiscard]] static constexpr Pair wait(HostPhysical status, u32 token) {
        return {Type::of(5) | Sw::of(true) | Fn::of(true) | StatusData::of(u64{token}),
                status.raw()};
    }
};

/// [VT-d 9.10] Interrupt remapping entry, remapped format, xAPIC destination.
struct InterruptEntry {
    using P = BitFlag<u64, 0>;
    using Fpd = BitFlag<u64, 1>;
    using Dlm = BitField<u64, 7, 5>; ///< 0: fixed
    using V = BitField<u64, 23, 16>;
    using Dst = BitField<u64, 47, 40>; ///< xAPIC id
    using Sid = BitField<u64, 15, 0>;  ///< of the upper half
    using Svt = BitField<u64, 19, 18>; ///< of the upper half; 1: the whole source id must match
    [[nodiscard]] static constexpr Pair of(u16 source_id, Vector vector, ApicId target) {
        return {P::of(true) | V::of(u64{vector.raw()}) | Dst::of(u64{target.raw()}),
                Sid::of(u64{source_id}) | Svt::of(1)};
    }
};

// Golden values: device 00:04.0 in domain 1 over 4 levels; a read-write 2 MiB leaf; an entry for
// 00:04.0 that raises vector 41h on APIC 1.
static_assert(ContextEntry::of(HostFrame{0x123}, 4, DomainTag{1}) == Pair{0x12'3001, 0x102});
static_assert(SecondLevelEntry::leaf(HostPhysical{0x20'0000}, 2, Access::read_write) == 0x20'0083);
static_assert(InterruptEntry::of(0x20, Vector{0x41}, ApicId{1}) ==
              Pair{0x0100'0041'0001, 0x4'0020});
static_assert(Descriptor::wait(HostPhysical{0x1000}, 7) == Pair{0x7'0000'0065, 0x1000});

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
// Physical memory as the hypervisor reaches it: the direct map at 0xffff800000000000, through
// scoped, bounded mappings. Until the final page tables are loaded it covers the first 4 GiB,
// afterwards all RAM and the device ranges that were mapped.
#pragma once

#include <base/ensure.hpp>
#include <base/types.hpp>

#include <span>

namespace ravelin::hv::mm {

constexpr u64 direct_map_base = 0xffff'8000'0000'0000;

[[nodiscard]] constexpr HostVirtual direct_map_address(HostPhysical address) {
    return HostVirtual{direct_map_base + address.raw()};
}

/// For the few places that build a mapping themselves; everything else uses Mapping.
template <typename T> [[nodiscard]] T* direct_map_pointer(HostPhysical address) {
    // SAFETY: the direct map holds every physical address at a fixed offset; the caller knows what
    // lies there.
    return reinterpret_cast<T*>(direct_map_address(address).raw());
}

/// `count` objects of T in physical memory, reachable while the mapping lives and never beyond its
/// end.
template <typename T> class Mapping {
  public:
    Mapping(HostPhysical start, usize count) : span_{direct_map_pointer<T>(start), count} {
        ensure(start.is_aligned(alignof(T)), "a mapping must be aligned for its type");
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping(Mapping&&) noexcept = default;

    [[nodiscard]] std::span<T> span() const { return span_; }
    [[nodiscard]] T& operator[](usize at) const {
        ensure(at < span_.size(), "access beyond a mapping");
        return span_[at];
    }

  private:
    std::span<T> span_;
};

} // namespace ravelin::hv::mm

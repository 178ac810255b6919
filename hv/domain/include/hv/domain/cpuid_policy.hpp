// SPDX-License-Identifier: Apache-2.0
// What CPUID tells a guest: the physical CPU's features through an allow-list, so that a feature
// nobody has thought about is absent. Tabled once; the exit is a few loads. [AMD APM vol3 appendix
// E] [SDM vol2 CPUID]
#pragma once

#include <base/types.hpp>
#include <hv/domain/guest_abi.hpp>

#include <array>

namespace ravelin::hv::domain {

/// The guest state a few leaves depend on.
struct CpuidState {
    u32 apic_id;
    u32 vcpus;
    u64 cr4;
};

class PhysicalCpu;

class CpuidPolicy {
  public:
    static constexpr u32 extended_base = 0x8000'0000;
    static constexpr u32 guest_abi_base = 0x4000'0000;

    CpuidPolicy() = default;
    /// Filters what `cpu` offers.
    explicit CpuidPolicy(const PhysicalCpu& cpu);

    /// The answer for a leaf that depends on neither subleaf nor guest state, or nullptr.
    [[nodiscard]] const CpuidResult* constant(u32 leaf) const {
        if (leaf < basic_leaves && (variable_leaves >> leaf & 1) == 0)
            return &basic_[leaf];
        if (leaf - extended_base < extended_leaves)
            return &extended_[leaf - extended_base];
        return nullptr;
    }
    /// Leaves outside 0x40000000-0x400000ff. `cpu` has the guest's XCR0 loaded.
    [[nodiscard]] CpuidResult
    lookup(u32 leaf, u32 subleaf, const CpuidState& state, const PhysicalCpu& cpu) const;
    /// The XCR0 bits the guest may set.
    [[nodiscard]] u64 xcr0_mask() const { return xcr0_mask_; }
    /// The EFER bits the guest may set.
    [[nodiscard]] u64 efer_mask() const { return efer_mask_; }

  private:
    static constexpr usize basic_leaves = 0x10;
    static constexpr u32 variable_leaves = 1u << 1 | 1u << 7 | 1u << 0xb | 1u << 0xd;
    static constexpr usize extended_leaves = 0x20;
    std::array<CpuidResult, basic_leaves> basic_{};
    std::array<CpuidResult, extended_leaves> extended_{};
    u64 xcr0_mask_{1};
    u64 efer_mask_{};
};

} // namespace ravelin::hv::domain

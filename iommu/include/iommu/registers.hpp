// SPDX-License-Identifier: Apache-2.0
// Registers of a remapping unit, in the manual's order and under its mnemonics. Offsets in bytes
// from the unit's base. [VT-d 11.4]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

namespace ravelin::iommu::reg {

struct Cap { // [VT-d 11.4.2]
    static constexpr u32 offset = 0x08;
    using Nd = BitField<u64, 2, 0>; ///< 2^(4 + 2 Nd) domain ids
    using Rwbf = BitFlag<u64, 4>;   ///< write buffers must be flushed after table changes
    using Plmr = BitFlag<u64, 5>;
    using Phmr = BitFlag<u64, 6>;
    using Cm = BitFlag<u64, 7>;          ///< caching mode: not-present entries may be cached
    using Sagaw = BitField<u64, 12, 8>;  ///< bit 1: 3 levels, bit 2: 4 levels
    using Mgaw = BitField<u64, 21, 16>;  ///< guest address bits less one
    using Fro = BitField<u64, 33, 24>;   ///< fault records' offset in 16 bytes
    using Sllps = BitField<u64, 37, 34>; ///< bit 0: 2 MiB, bit 1: 1 GiB
    using Psi = BitFlag<u64, 39>;
    using Nfr = BitField<u64, 47, 40>; ///< fault records less one
    using Dwd = BitFlag<u64, 54>;
    using Drd = BitFlag<u64, 55>;
};

struct Ecap { // [VT-d 11.4.3]
    static constexpr u32 offset = 0x10;
    using C = BitFlag<u64, 0>; ///< table walks snoop the CPU's caches
    using Qi = BitFlag<u64, 1>;
    using Ir = BitFlag<u64, 3>;
    using Eim = BitFlag<u64, 4>;
    using Iro = BitField<u64, 17, 8>;
};

struct Gcmd { // [VT-d 11.4.4.1] write only
    static constexpr u32 offset = 0x18;
    using Cfi = BitFlag<u32, 23>;
    using Sirtp = BitFlag<u32, 24>;
    using Ire = BitFlag<u32, 25>;
    using Qie = BitFlag<u32, 26>;
    using Wbf = BitFlag<u32, 27>;
    using Srtp = BitFlag<u32, 30>;
    using Te = BitFlag<u32, 31>;
};

struct Gsts { // [VT-d 11.4.4.2] read only
    static constexpr u32 offset = 0x1c;
    using Cfis = BitFlag<u32, 23>;
    using Irtps = BitFlag<u32, 24>;
    using Ires = BitFlag<u32, 25>;
    using Qies = BitFlag<u32, 26>;
    using Wbfs = BitFlag<u32, 27>;
    using Rtps = BitFlag<u32, 30>;
    using Tes = BitFlag<u32, 31>;
    /// What a command must repeat; the one-shot bits must be written as zero.
    static constexpr u32 lasting = Cfis::of(true) | Ires::of(true) | Qies::of(true) | Tes::of(true);
};

struct Rtaddr { // [VT-d 11.4.5]
    static constexpr u32 offset = 0x20;
    using Ttm = BitField<u64, 11, 10>; ///< 0: legacy mode
};

struct Fsts { // [VT-d 11.4.7.1]
    static constexpr u32 offset = 0x34;
    using Pfo = BitFlag<u32, 0>; ///< write one to clear
    using Ppf = BitFlag<u32, 1>;
    using Iqe = BitFlag<u32, 4>; ///< write one to clear
    using Ice = BitFlag<u32, 5>; ///< write one to clear
    using Ite = BitFlag<u32, 6>; ///< write one to clear
    using Fri = BitField<u32, 15, 8>;
    static constexpr u32 queue_errors = Iqe::of(true) | Ice::of(true) | Ite::of(true);
};

struct Fectl { // [VT-d 11.4.7.2]
    static constexpr u32 offset = 0x38;
    using Ip = BitFlag<u32, 30>;
    using Im = BitFlag<u32, 31>;
};

struct Pmen { // [VT-d 11.4.8.1]
    static constexpr u32 offset = 0x64;
    using Prs = BitFlag<u32, 0>;
    using Epm = BitFlag<u32, 31>;
};

struct Iqh { // [VT-d 11.4.9.1]
    static constexpr u32 offset = 0x80;
};
struct Iqt { // [VT-d 11.4.9.2] bits 18:4 are the descriptor's index
    static constexpr u32 offset = 0x88;
};
struct Iqa { // [VT-d 11.4.9.3]
    static constexpr u32 offset = 0x90;
    using Qs = BitField<u64, 2, 0>; ///< 2^Qs pages of 256 descriptors
    using Dw = BitFlag<u64, 11>;    ///< 256-bit descriptors
};

struct Irta { // [VT-d 11.4.10]
    static constexpr u32 offset = 0xb8;
    using S = BitField<u64, 3, 0>; ///< 2^(S+1) entries
    using Eime = BitFlag<u64, 11>;
};

/// Fault recording registers: 16 bytes each from Cap::Fro on. [VT-d 11.4.7.5]
struct Frcd {
    static constexpr u32 size = 16;
    static constexpr u32 high = 8;       ///< offset of the upper half
    static constexpr u32 last = 12;      ///< offset of the 32 bits that hold F
    using Sid = BitField<u64, 15, 0>;    ///< of the upper half
    using T2 = BitFlag<u64, 28>;         ///< of the upper half
    using Fr = BitField<u64, 39, 32>;    ///< of the upper half
    using T1 = BitFlag<u64, 62>;         ///< of the upper half
    using F = BitFlag<u64, 63>;          ///< of the upper half; write one to clear
    using FInLast = BitFlag<u32, 31>;    ///< the same bit in the last 32
    using Index = BitField<u64, 63, 48>; ///< of the lower half: interrupt index, when Fr >= 20h
};

} // namespace ravelin::iommu::reg

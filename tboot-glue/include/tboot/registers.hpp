// SPDX-License-Identifier: Apache-2.0
// The TXT registers as far as a measured environment reads them: the public space only. [TXT SDG
// rev 17, B.1]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

namespace ravelin::tboot {

/// Private and public space of the chipset; nobody but the hypervisor may reach either.
constexpr HostPhysical private_space{0xfed2'0000};
constexpr HostPhysical public_space{0xfed3'0000};
constexpr Bytes register_space_size{0x1'0000};

namespace reg {
struct Sts {
    static constexpr u32 offset = 0x000;
    using SenterDone = BitFlag<u64, 0>;
    using SexitDone = BitFlag<u64, 1>;
    using MemoryConfigurationLocked = BitFlag<u64, 6>;
    using PrivateOpen = BitFlag<u64, 7>;
    using Locality1Open = BitFlag<u64, 15>;
    using Locality2Open = BitFlag<u64, 16>;
};
struct Ests {
    static constexpr u32 offset = 0x008;
    using TxtReset = BitFlag<u64, 0>; ///< the last reset was TXT's own, because of an error
};
constexpr u32 sinit_base = 0x270;
constexpr u32 sinit_size = 0x278;
constexpr u32 heap_base = 0x300;
constexpr u32 heap_size = 0x308;
} // namespace reg

/// The public space; every register is read as 64 bits.
class Registers {
  public:
    [[nodiscard]] virtual u64 read(u32 offset) = 0;

  protected:
    ~Registers() = default;
};

} // namespace ravelin::tboot

// SPDX-License-Identifier: Apache-2.0
// Offsets and fields of the configuration header and the two message capabilities.
// [PCI 3.0 6.1, 6.8.1, 6.8.2]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

namespace ravelin::hv::vpci {

namespace reg {
constexpr u16 vendor = 0x00;
constexpr u16 command = 0x04;
constexpr u16 status = 0x06;
constexpr u16 class_code = 0x0b;
constexpr u16 header_type = 0x0e;
constexpr u16 bars = 0x10;
constexpr u16 bars_end = 0x28;
constexpr u16 rom = 0x30;
constexpr u16 capabilities = 0x34;
constexpr u16 interrupt = 0x3c;
constexpr u16 device_specific = 0x40;
constexpr u16 extended = 0x100;
constexpr u32 nobody = 0xffff;
constexpr u32 capability_msi = 0x05;
constexpr u32 capability_msix = 0x11;
constexpr u64 msix_entry_size = 16;
} // namespace reg

struct Command {
    static constexpr u32 decode = 3; ///< I/O and memory
    static constexpr u32 memory = 1u << 1;
    static constexpr u32 bus_master = 1u << 2;
    static constexpr u32 parity = 1u << 6;
    static constexpr u32 system_error = 1u << 8;
    static constexpr u32 no_intx = 1u << 10;
};
struct MsiControl {
    using Enable = BitFlag<u32, 0>;
    using MultipleCapable = BitField<u32, 3, 1>;
    using MultipleEnable = BitField<u32, 6, 4>;
    using Is64 = BitFlag<u32, 7>;
    using HasMasks = BitFlag<u32, 8>;
};
struct MsixControl {
    using SizeLessOne = BitField<u32, 10, 0>;
    using MaskAll = BitFlag<u32, 14>;
    using Enable = BitFlag<u32, 15>;
};

} // namespace ravelin::hv::vpci

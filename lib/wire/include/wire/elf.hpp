// SPDX-License-Identifier: Apache-2.0
// A PVH kernel: an x86 ELF file (32 or 64 bits) with the Xen note that names its 32-bit entry. Pure
// decoder of untrusted bytes. [ELF gABI 4.1] [xen/elfnote.h, XEN_ELFNOTE_PHYS32_ENTRY]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <span>
#include <string_view>

namespace ravelin::wire {

enum class ElfError : u8 {
    not_elf,           ///< the magic is missing
    truncated,         ///< a header or a segment reaches past the end of the file
    wrong_machine,     ///< not a little-endian x86 executable
    bad_header,        ///< program headers of an unknown size
    too_many_segments, ///< more than 16 to load
    bad_segment, ///< larger in the file than in memory, or past 4 GiB, where a 32-bit entry cannot
                 ///< start
    no_entry,    ///< no PHYS32_ENTRY note
    entry_outside, ///< the entry is in no segment
};
[[nodiscard]] std::string_view text(ElfError error);

/// Bytes to copy to `address`, followed by zeros up to `size`.
struct ElfSegment {
    GuestPhysical address{};
    Bytes size{};
    std::span<const u8> bytes{};
};

struct PvhKernel {
    FixedVector<ElfSegment, 16> segments{};
    u32 entry{};
};

/// Views into `file`, which must outlive the result.
[[nodiscard]] Result<PvhKernel, ElfError> decode_pvh_kernel(std::span<const u8> file);

} // namespace ravelin::wire

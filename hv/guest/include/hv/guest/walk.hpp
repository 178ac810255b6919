// SPDX-License-Identifier: Apache-2.0
// Guest-virtual to guest-physical, as the guest's own CPU would do it: 4-level, PAE and two-level
// tables, U/S, R/W with CR0.WP, NX, SMEP, and SMAP with RFLAGS.AC. Sets accessed and dirty bits.
// [AMD APM vol2 5.3-5.6] [SDM vol3 4.6]. Guest tables are read through stage 2, one atomic load an
// entry.
#pragma once

#include <hv/cpu/virtual_cpu.hpp>
#include <hv/guest/memory.hpp>

namespace ravelin::hv::guest {

enum class Purpose : u8 { read, write, execute };

/// A #PF the guest's own access would have taken. [AMD APM vol2 8.4.2]
struct PageFault {
    GuestVirtual address;
    u32 error_code;
};

/// Translates one address; the result holds to the end of its 4 KiB page.
[[nodiscard]] Result<GuestPhysical, PageFault>
walk(const Memory& memory, const cpu::PagingState& state, GuestVirtual address, Purpose purpose);

/// Why a copy stopped: the guest has no such page (Xen's EFAULT), or stage 2 refuses it.
enum class CopyError : u8 { page_fault, refused };

/// Copies `destination.size()` bytes from the guest. Bytes before the failure may have been copied.
[[nodiscard]] Status<CopyError> copy_in(const Memory& memory,
                                        const cpu::PagingState& state,
                                        GuestVirtual from,
                                        std::span<u8> destination);
[[nodiscard]] Status<CopyError> copy_out(const Memory& memory,
                                         const cpu::PagingState& state,
                                         GuestVirtual to,
                                         std::span<const u8> source);
/// Copies instruction bytes (execute rights) up to the end of what is mapped; the count copied.
[[nodiscard]] usize fetch(const Memory& memory,
                          const cpu::PagingState& state,
                          GuestVirtual from,
                          std::span<u8> destination);

} // namespace ravelin::hv::guest

// SPDX-License-Identifier: Apache-2.0
// Guest-virtual to guest-physical, as the guest's own CPU would do it: 4-level, PAE and two-level
// tables, U/S, R/W with CR0.WP, NX, SMEP, and SMAP with RFLAGS.AC. Sets accessed and dirty bits.
// [AMD APM vol2 5.3-5.6] [SDM vol3 4.6]. Guest tables are read through stage 2, one atomic load an
// entry.
#pragma once

#include <hv/cpu/virtual_cpu.hpp>
#include <hv/guest/memory.hpp>

#include <array>
#include <atomic>

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

/// One vCPU's last walks, with the entries that they read. A walk is taken as done when each of
/// those entries, read again, is what it was, nothing else that decides about it is different, and
/// stage 2 has lost nothing since: it would find the same. Used on the vCPU's CPU only.
class RecentWalks {
  public:
    static constexpr unsigned levels = 4;
    struct Walk {
        u64 page{~u64{0}}; ///< guest-virtual; none at first
        u64 root{};        ///< CR3
        u64 rules{};       ///< EFER and CR4
        u64 losses{};
        u8 cpl{};
        Purpose purpose{}; ///< for writing is for reading too
        unsigned read{};   ///< how many entries
        std::array<u64*, levels> slots{};
        std::array<u64, levels> entries{};
        u8* bytes{}; ///< of the page it came to
    };
    /// The only place where a walk of that page is kept.
    [[nodiscard]] Walk& place(GuestVirtual at) {
        return walks_[at.raw() >> page_shift & (walks_.size() - 1)];
    }

  private:
    std::array<Walk, 8> walks_{};
};

/// Where the bytes of an address lie, up to the end of their page, if a kernel's access that needs
/// nothing unusual may read or write them; nullptr says no more than that walk() has to be asked.
/// For the duration of one exit.
[[nodiscard]] u8* reach(const Memory& memory,
                        const cpu::PagingState& state,
                        RecentWalks& recent,
                        GuestVirtual at,
                        Purpose purpose);

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

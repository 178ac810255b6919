// SPDX-License-Identifier: Apache-2.0
// The guest's page walk. Rights accumulate over the levels and are judged once, at the leaf; A and
// D bits are set by compare-and-swap, and an entry that changed meanwhile restarts the walk.
#include <hv/guest/walk.hpp>

#include <algorithm>
#include <atomic>

namespace ravelin::hv::guest {

namespace {

struct Entry {
    using Present = BitFlag<u64, 0>;
    using Writable = BitFlag<u64, 1>;
    using User = BitFlag<u64, 2>;
    using Accessed = BitFlag<u64, 5>;
    using Dirty = BitFlag<u64, 6>;
    using Large = BitFlag<u64, 7>;
    using NoExecute = BitFlag<u64, 63>;
};
struct ErrorCode {
    using Present = BitFlag<u32, 0>;
    using Write = BitFlag<u32, 1>;
    using User = BitFlag<u32, 2>;
    using Reserved = BitFlag<u32, 3>;
    using Fetch = BitFlag<u32, 4>;
};

/// The three forms of x86 tables: how wide an entry is and where the index of each level sits.
struct Form {
    unsigned levels;
    unsigned entry_bytes; ///< 8, or 4 for two-level tables
    unsigned index_bits;  ///< 9, or 10 for two-level tables
};

constexpr u64 address_mask = 0x000f'ffff'ffff'f000;
constexpr int attempts = 4; ///< a guest that keeps changing its tables under us gets a fault

enum class Step : u8 { done, fault, again };

class Walker {
  public:
    Walker(const Memory& memory, const cpu::PagingState& state, GuestVirtual at, Purpose purpose)
        : memory_{memory}, state_{state}, at_{at}, purpose_{purpose} {}

    Result<GuestPhysical, PageFault> run() {
        if (!cpu::Cr0::Paging::get(state_.cr0))
            return GuestPhysical{at_.raw() & 0xffff'ffff};
        const bool long_mode = cpu::Efer::LongModeActive::get(state_.efer);
        if (!long_mode)
            at_ = GuestVirtual{at_.raw() & 0xffff'ffff};
        // A 57-bit guest is refused by the CPUID policy; a non-canonical address is #GP, for which
        // a copy has no other word than a fault.
        if (long_mode && static_cast<i64>(at_.raw() << 16) >> 16 != static_cast<i64>(at_.raw()))
            return Failure{fault()};
        for (int attempt = 0; attempt < attempts; ++attempt) {
            present_ = false;
            reserved_ = false;
            switch (walk_once(form())) {
            case Step::done:
                return result_;
            case Step::fault:
                return Failure{fault()};
            case Step::again:
                break;
            }
        }
        return Failure{fault()};
    }

  private:
    [[nodiscard]] Form form() const {
        if (cpu::Efer::LongModeActive::get(state_.efer))
            return Form{4, 8, 9};
        if (cpu::Cr4::PhysicalAddressExtension::get(state_.cr4))
            return Form{3, 8, 9};
        return Form{2, 4, 10};
    }

    Step walk_once(Form form) {
        const bool no_execute_enabled = cpu::Efer::NoExecuteEnable::get(state_.efer);
        // PAE's four page-directory pointers are 32-byte aligned and carry no rights.
        u64 table = state_.cr3 & (form.levels == 3 ? 0xffff'ffe0 : address_mask);
        bool writable = true;
        bool user = true;
        bool no_execute = false;
        for (unsigned level = form.levels; level >= 1; --level) {
            const unsigned shift = page_shift + form.index_bits * (level - 1);
            const u64 index = at_.raw() >> shift & ((1u << form.index_bits) - 1);
            const GuestPhysical slot{table + index * form.entry_bytes};
            const auto loaded = load(slot, form.entry_bytes);
            if (!loaded)
                return Step::fault;
            const u64 entry = *loaded;
            present_ = Entry::Present::get(entry);
            if (!present_)
                return Step::fault;
            reserved_ =
                form.entry_bytes == 8 && !no_execute_enabled && Entry::NoExecute::get(entry);
            if (reserved_)
                return Step::fault;
            const bool pointer = form.levels == 3 && level == 3;
            if (!pointer) {
                writable = writable && Entry::Writable::get(entry);
                user = user && Entry::User::get(entry);
                no_execute = no_execute || (form.entry_bytes == 8 && Entry::NoExecute::get(entry));
            }
            const bool leaf = level == 1 || (!pointer && Entry::Large::get(entry) && large(level));
            if (leaf && !permitted(writable, user, no_execute))
                return Step::fault;
            if (!pointer && !mark(slot, form.entry_bytes, entry, leaf))
                return Step::again;
            if (leaf) {
                result_ =
                    GuestPhysical{base(entry, form, level) | (at_.raw() & ((u64{1} << shift) - 1))};
                return Step::done;
            }
            table = entry & (form.entry_bytes == 4 ? 0xffff'f000 : address_mask);
        }
        return Step::fault;
    }

    [[nodiscard]] bool large(unsigned level) const {
        if (level == 2)
            return cpu::Efer::LongModeActive::get(state_.efer) ||
                   cpu::Cr4::PhysicalAddressExtension::get(state_.cr4) ||
                   cpu::Cr4::PageSizeExtensions::get(state_.cr4);
        return level == 3;
    }

    [[nodiscard]] static u64 base(u64 entry, Form form, unsigned level) {
        const unsigned shift = page_shift + form.index_bits * (level - 1);
        const u64 below = ~((u64{1} << shift) - 1);
        if (form.entry_bytes == 8)
            return entry & address_mask & below;
        if (level == 1)
            return entry & 0xffff'f000;
        // PSE-36: bits 20:13 of a 4 MiB entry are bits 39:32 of the address. [APM vol2 5.2.2]
        return (entry & 0xffc0'0000) | (entry >> 13 & 0xff) << 32;
    }

    [[nodiscard]] bool permitted(bool writable, bool user, bool no_execute) const {
        const bool supervisor = state_.cpl < 3;
        if (!supervisor && !user)
            return false;
        if (purpose_ == Purpose::write && !writable &&
            (!supervisor || cpu::Cr0::WriteProtect::get(state_.cr0)))
            return false;
        if (purpose_ == Purpose::execute && no_execute)
            return false;
        if (supervisor && user) {
            if (purpose_ == Purpose::execute)
                return !cpu::Cr4::SupervisorExecutionPrevention::get(state_.cr4);
            return !cpu::Cr4::SupervisorAccessPrevention::get(state_.cr4) ||
                   cpu::Rflags::AlignmentCheck::get(state_.rflags);
        }
        return true;
    }

    /// One atomic load of an entry; 4-byte entries come out of the 8 bytes around them.
    [[nodiscard]] std::optional<u64> load(GuestPhysical slot, unsigned bytes) const {
        const auto word = memory_.load(slot.align_down(8));
        if (!word)
            return std::nullopt;
        if (bytes == 8)
            return word.value();
        return slot.is_aligned(8) ? word.value() & 0xffff'ffff : word.value() >> 32;
    }

    /// Sets accessed, and dirty on a written leaf; false when the entry is no longer `entry`.
    [[nodiscard]] bool mark(GuestPhysical slot, unsigned bytes, u64 entry, bool leaf) const {
        u64 marked = Entry::Accessed::set(entry, true);
        if (leaf && purpose_ == Purpose::write)
            marked = Entry::Dirty::set(marked, true);
        if (marked == entry)
            return true;
        const GuestPhysical around = slot.align_down(8);
        const auto word = memory_.load(around);
        if (!word)
            return false;
        u64 expected = entry;
        u64 desired = marked;
        if (bytes == 4) {
            const unsigned shift = slot.is_aligned(8) ? 0 : 32;
            const u64 others = word.value() & ~(u64{0xffff'ffff} << shift);
            expected = others | entry << shift;
            desired = others | marked << shift;
        }
        const auto swapped = memory_.compare_exchange(around, expected, desired);
        // Tables in read-only memory keep their bits; the CPU would take a nested fault instead.
        return !swapped || swapped.value();
    }

    [[nodiscard]] PageFault fault() const {
        const bool fetch_reported = cpu::Efer::NoExecuteEnable::get(state_.efer) ||
                                    cpu::Cr4::SupervisorExecutionPrevention::get(state_.cr4);
        return PageFault{
            at_,
            ErrorCode::Present::of(present_) | ErrorCode::Write::of(purpose_ == Purpose::write) |
                ErrorCode::User::of(state_.cpl == 3) | ErrorCode::Reserved::of(reserved_) |
                ErrorCode::Fetch::of(purpose_ == Purpose::execute && fetch_reported)};
    }

    const Memory& memory_;
    const cpu::PagingState& state_;
    GuestVirtual at_;
    Purpose purpose_;
    bool present_{};
    bool reserved_{};
    GuestPhysical result_{};
};

u64 load_slot(u64* slot) {
    return std::atomic_ref{*slot}.load(std::memory_order_relaxed);
}

/// What kernels do nearly always: reading or writing pages in long mode, without SMAP or
/// supervisor's own, whose accessed and dirty bits are set. Nothing: look closely. Notes the
/// entries it read.
std::optional<GuestPhysical> walk_quickly(const Memory& memory,
                                          const cpu::PagingState& state,
                                          GuestVirtual at,
                                          Purpose purpose,
                                          RecentWalks::Walk& walk) {
    constexpr u64 sign = ~u64{0} << 47;
    if (!cpu::Efer::LongModeActive::get(state.efer) ||
        !cpu::Efer::NoExecuteEnable::get(state.efer) || state.cpl == 3 ||
        purpose == Purpose::execute || ((at.raw() & sign) != 0 && (at.raw() & sign) != sign))
        return std::nullopt;
    u64 needed = Entry::Present::of(true) | Entry::Accessed::of(true);
    if (purpose == Purpose::write)
        needed |= Entry::Writable::of(true);
    const bool prevented = cpu::Cr4::SupervisorAccessPrevention::get(state.cr4);
    u64 rights = ~u64{0}; // what all levels grant
    u64 table = state.cr3 & address_mask;
    unsigned shift = page_shift + 9 * (RecentWalks::levels - 1);
    for (walk.read = 0;; shift -= 9) {
        u8* const bytes =
            memory.reach(GuestPhysical{table + (at.raw() >> shift & 511) * 8}, Access::read);
        if (bytes == nullptr)
            return std::nullopt;
        // SAFETY: an aligned word of the guest's memory, which holds no object of ours.
        u64* const slot = reinterpret_cast<u64*>(bytes);
        const u64 entry = load_slot(slot);
        walk.slots[walk.read] = slot;
        walk.entries[walk.read++] = entry;
        if ((entry & needed) != needed)
            return std::nullopt;
        rights &= entry;
        table = entry & address_mask;
        if (shift != page_shift && !Entry::Large::get(entry))
            continue;
        const u64 offset = (u64{1} << shift) - 1;
        if (shift > page_shift + 18 || (Entry::User::get(rights) && prevented) ||
            (purpose == Purpose::write && !Entry::Dirty::get(entry)))
            return std::nullopt;
        return GuestPhysical{(table & ~offset) | (at.raw() & offset)};
    }
}

/// Both have no defined bit above 31.
u64 rules_of(const cpu::PagingState& state) {
    return state.efer << 32 | (state.cr4 & 0xffff'ffff);
}

bool would_find_the_same(const RecentWalks::Walk& walk,
                         const cpu::PagingState& state,
                         u64 page,
                         Purpose purpose,
                         u64 losses) {
    if (walk.page != page || walk.root != state.cr3 || walk.rules != rules_of(state) ||
        walk.losses != losses || walk.cpl != state.cpl || walk.purpose < purpose)
        return false;
    for (unsigned i = 0; i < walk.read; ++i)
        if (load_slot(walk.slots[i]) != walk.entries[i])
            return false;
    return true;
}

/// Calls `copy(guest-physical, offset, count)` for each piece of a virtual range that lies in one
/// page.
template <typename Copy>
Status<CopyError> for_each_page(const Memory& memory,
                                const cpu::PagingState& state,
                                GuestVirtual at,
                                usize size,
                                Purpose purpose,
                                Copy&& copy) {
    for (usize offset = 0; offset < size;) {
        const auto physical = walk(memory, state, at + offset, purpose);
        if (!physical)
            return Failure{CopyError::page_fault};
        const usize count = std::min<usize>(size - offset, page_size - (at + offset).page_offset());
        if (!copy(physical.value(), offset, count))
            return Failure{CopyError::refused};
        offset += count;
    }
    return Unit{};
}

} // namespace

Result<GuestPhysical, PageFault>
walk(const Memory& memory, const cpu::PagingState& state, GuestVirtual address, Purpose purpose) {
    RecentWalks::Walk walk;
    if (const auto found = walk_quickly(memory, state, address, purpose, walk)) [[likely]]
        return *found;
    return Walker{memory, state, address, purpose}.run();
}

[[gnu::noinline]] static u8* walk_and_remember(const Memory& memory,
                                               const cpu::PagingState& state,
                                               RecentWalks::Walk& walk,
                                               GuestVirtual at,
                                               Purpose purpose,
                                               u64 losses) {
    walk.page = ~u64{0};
    const auto physical = walk_quickly(memory, state, at, purpose, walk);
    if (!physical)
        return nullptr;
    u8* const bytes =
        memory.reach(*physical, purpose == Purpose::write ? Access::read_write : Access::read);
    if (bytes == nullptr)
        return nullptr;
    walk.page = at.raw() >> page_shift;
    walk.root = state.cr3;
    walk.rules = rules_of(state);
    walk.losses = losses;
    walk.cpl = state.cpl;
    walk.purpose = purpose;
    walk.bytes = bytes - at.page_offset();
    return bytes;
}

u8* reach(const Memory& memory,
          const cpu::PagingState& state,
          RecentWalks& recent,
          GuestVirtual at,
          Purpose purpose) {
    const u64 losses = memory.losses(); // before the walk
    RecentWalks::Walk& walk = recent.place(at);
    if (would_find_the_same(walk, state, at.raw() >> page_shift, purpose, losses)) [[likely]]
        return walk.bytes + at.page_offset();
    return walk_and_remember(memory, state, walk, at, purpose, losses);
}

Status<CopyError> copy_in(const Memory& memory,
                          const cpu::PagingState& state,
                          GuestVirtual from,
                          std::span<u8> destination) {
    return for_each_page(memory,
                         state,
                         from,
                         destination.size(),
                         Purpose::read,
                         [&](GuestPhysical at, usize offset, usize count) {
                             return memory.read(at, destination.subspan(offset, count)).is_ok();
                         });
}

Status<CopyError> copy_out(const Memory& memory,
                           const cpu::PagingState& state,
                           GuestVirtual to,
                           std::span<const u8> source) {
    return for_each_page(memory,
                         state,
                         to,
                         source.size(),
                         Purpose::write,
                         [&](GuestPhysical at, usize offset, usize count) {
                             return memory.write(at, source.subspan(offset, count)).is_ok();
                         });
}

usize fetch(const Memory& memory,
            const cpu::PagingState& state,
            GuestVirtual from,
            std::span<u8> destination) {
    usize done = 0;
    (void)for_each_page(memory,
                        state,
                        from,
                        destination.size(),
                        Purpose::execute,
                        [&](GuestPhysical at, usize offset, usize count) {
                            if (!memory.read(at, destination.subspan(offset, count)))
                                return false;
                            done = offset + count;
                            return true;
                        });
    return done;
}

} // namespace ravelin::hv::guest

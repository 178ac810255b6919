// SPDX-License-Identifier: Apache-2.0
// The grant table, version 1, of one domain: the entries it shares with the hypervisor, what others
// do through them, and what the domain itself has mapped of others. Shared entries are hostile:
// each is read and marked with one 64-bit compare-and-swap, and what was read is all that is used.
// [xen/grant_table.h]
//
// A frame that is used through a grant is pinned (mm::FrameAllocator::pin): its owner can neither
// give it up nor be torn down. No member holds the locks of two tables, or any of its own while it
// changes stage-2 or DMA tables.
#pragma once

#include <base/lock.hpp>
#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <base/types.hpp>
#include <hv/domain/domain.hpp>
#include <hv/grants/dma_mirror.hpp>
#include <hv/mm/frames.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::grants {

/// The GNTST_* that an operation may answer.
enum class GrantError : i16 {
    general = -1,
    bad_domain = -2,
    bad_reference = -3,
    bad_handle = -4,
    bad_address = -5,
    no_device_space = -7,
    not_permitted = -8,
    bad_page = -9,
    bad_copy = -10,
    again = -12,
    no_space = -13,
};

struct HandleTag;
using Handle = Strong<HandleTag, u32>;

class GrantTable {
  public:
    static constexpr u32 most_frames = 64;
    static constexpr u32 entries_per_frame = 512;
    static constexpr u32 most_mappings = 32768;
    /// References that the builder fills in for the domain's console and store.
    static constexpr GrantRef reserved_console{0};
    static constexpr GrantRef reserved_store{1};

    GrantTable() = default;
    GrantTable(const GrantTable&) = delete;
    GrantTable& operator=(const GrantTable&) = delete;

    /// Makes the table of `domain` with one frame. `memory` provides the table's own pages. Before
    /// anything else is called.
    [[nodiscard]] Status<GrantError>
    set_up(domain::Domain& domain, TableMemory& memory, mm::FrameAllocator& frames, DmaMirror& dma);

    /// Grants `to` access to one of the domain's pages on its behalf, before the domain runs. The
    /// guest may end it like one of its own.
    [[nodiscard]] Status<GrantError> prefill(GrantRef reference, DomainId to, GuestFrame page);

    /// Shared frames so far. Any CPU.
    [[nodiscard]] u32 frame_count();
    /// Grows to at least that many frames; no_space beyond the maximum or out of memory.
    [[nodiscard]] Status<GrantError> grow(u32 frames);
    /// A shared frame of the table; grows to it.
    [[nodiscard]] Result<HostFrame, GrantError> frame(u32 index);

    /// Maps what `granter` granted to this domain at a hole of this domain's guest-physical space.
    [[nodiscard]] Result<Handle, GrantError>
    map(GuestFrame at, GrantTable& granter, GrantRef reference, Access access);
    /// Undoes map(): no CPU and no device of this domain reaches the page any more when it returns.
    /// `again`: call once more, because another vCPU may be in the middle of a copy to the page;
    /// the guest does not see it any more, but the granter has it back only then. `self` is the
    /// vCPU that asks.
    [[nodiscard]] Status<GrantError>
    unmap(Handle handle, GuestPhysical at, const domain::Vcpu* self = nullptr);

    /// One end of a copy: a page that `granter` granted, or the domain's own.
    struct CopyEnd {
        GrantTable* granter; ///< nullptr: `frame` of the copying domain
        GrantRef reference;
        GuestFrame frame;
        u16 offset;
    };
    /// Copies on this domain's behalf; neither end crosses its page.
    [[nodiscard]] Status<GrantError> copy(const CopyEnd& source, const CopyEnd& target, u16 size);

    /// Teardown, when no vCPU of the domain runs any more: undoes up to `most` mappings of others'
    /// pages; true when none is left.
    [[nodiscard]] bool release_mappings(u32 most);
    /// Entries that others are using: teardown waits until it is zero. Any CPU.
    [[nodiscard]] u32 entries_in_use();
    /// Gives the table's own pages back, when release_mappings() and entries_in_use() allow it.
    void tear_down();

  private:
    /// What others do through one entry; under lock_. Reachable by the hypervisor only.
    struct Active {
        u32 frame; ///< host frame
        DomainId user;
        u16 unused;
        u32 readers;
        u32 writers;
    };
    static_assert(sizeof(Active) == 16);
    static constexpr u32 active_per_page = page_size / sizeof(Active);
    static constexpr u32 active_pages = entries_per_frame / active_per_page; ///< of a shared frame
    static constexpr u32 most_users = 1u << 24;                              ///< of one entry

    enum class MappingState : u8 {
        free,
        busy,
        mapped,
        draining ///< hidden; other vCPUs may still be copying to it
    };
    /// One mapping of another domain's page; under mappings_lock_. The granter stays alive because
    /// its entry is in use.
    struct Mapping {
        GrantTable* granter;
        u64 at; ///< guest frame; while free, the next free one
        u32 reference;
        u16 generation;
        MappingState state;
        Access access;
        u64 detail; ///< host frame; while draining, Grace's ticket
    };
    static_assert(sizeof(Mapping) == 32);
    static constexpr u32 mappings_per_page = page_size / sizeof(Mapping);
    static constexpr u32 no_mapping = ~0u;

    [[nodiscard]] u64& shared(u32 reference);
    [[nodiscard]] Active& active(u32 reference);
    [[nodiscard]] Mapping& mapping(u32 index);

    [[nodiscard]] Status<GrantError> grow_locked(u32 frames);
    [[nodiscard]] Result<HostFrame, GrantError>
    claim(GrantRef reference, DomainId user, Access access);
    [[nodiscard]] Result<HostFrame, GrantError> pin_page(GuestFrame page, Access access);
    void drop(GrantRef reference, Access access);
    void unmark(u32 reference, const Active& use);

    [[nodiscard]] Result<Handle, GrantError> take_mapping(const Mapping& wanted);
    [[nodiscard]] std::optional<Mapping> begin_unmap(Handle handle, GuestPhysical at);
    void set_state(Handle handle, MappingState state);
    void set_draining(Handle handle, u64 ticket);

    [[nodiscard]] Result<HostFrame, GrantError> open(const CopyEnd& end, Access access);
    void close(const CopyEnd& end, HostFrame frame, Access access);

    // Set once by set_up().
    domain::Domain* domain_{};
    TableMemory* memory_{};
    mm::FrameAllocator* frames_{};
    DmaMirror* dma_{};

    SpinLock lock_; ///< of the members up to the next lock
    u32 count_{};
    u32 in_use_{};
    std::array<HostFrame, most_frames> shared_{};
    std::array<HostFrame, most_frames * active_pages> active_{};

    SpinLock mappings_lock_; ///< of what follows
    u32 mapping_pages_{};
    u32 first_free_{no_mapping};
    u32 next_release_{};
    std::array<HostFrame, most_mappings / mappings_per_page> mappings_{};
};

} // namespace ravelin::hv::grants

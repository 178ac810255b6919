// SPDX-License-Identifier: Apache-2.0
// memory_op: what a domain may ask and change about its own guest-physical space. [xen/memory.h]
#include "call.hpp"

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

Errno to_errno(stage2::Error error) {
    return error == stage2::Error::out_of_frames ? Errno::no_memory : Errno::invalid;
}

Errno to_errno(grants::BalloonError error) {
    switch (error) {
    case grants::BalloonError::in_use:
        return Errno::busy;
    case grants::BalloonError::again:
        return Errno::again;
    case grants::BalloonError::no_memory:
    case grants::BalloonError::over_limit:
        return Errno::no_memory;
    case grants::BalloonError::bad_page:
        break;
    }
    return Errno::invalid;
}

/// Shows `page` at `to` and nowhere else. A page of the domain's own that was there is given up, as
/// Xen does; another's or the hypervisor's stays, and this is refused.
Status<Errno> show(Call& call, HostFrame page, std::optional<GuestFrame>& shown_at, GuestFrame to) {
    auto& table = call.domain.stage2();
    if (shown_at == to)
        return Unit{};
    if (table.translate(to.address())) {
        if (const auto given_up = call.state.balloon.release(to, &call.vcpu); !given_up)
            return Failure{given_up.error() == grants::BalloonError::bad_page
                               ? Errno::busy
                               : to_errno(given_up.error())};
    }
    if (shown_at) {
        if (const auto hidden = table.unmap_page(shown_at->address(), page.address()); !hidden)
            return Failure{to_errno(hidden.error())};
        shown_at.reset();
    }
    const auto mapped = table.map(to.address(),
                                  page.address(),
                                  Bytes{page_size},
                                  Access::read_write,
                                  stage2::MemoryType::write_back);
    if (!mapped)
        return Failure{to_errno(mapped.error())};
    shown_at = to;
    return Unit{};
}

/// One page of add_to_physmap(). Only the hypervisor's shared pages can be asked for: no space here
/// names another domain's memory.
Outcome add_page(Call& call, unsigned space, u64 index, GuestFrame to) {
    if (to.raw() >= frame_limit)
        return Failure{Errno::invalid};
    if (space == XENMAPSPACE_shared_info && index == 0) {
        (void)RAVELIN_TRY(call.state.shown.with([&call, to](ShownPages& shown) {
            return show(call, call.state.shared_info, shown.shared_info, to);
        }));
        return i64{0};
    }
    if (space == XENMAPSPACE_grant_table) {
        if (index >= grants::GrantTable::most_frames)
            return Failure{Errno::invalid};
        const auto frame = call.state.grants.frame(static_cast<u32>(index));
        if (!frame)
            return Failure{Errno::no_memory};
        (void)RAVELIN_TRY(call.state.shown.with([&call, &frame, index, to](ShownPages& shown) {
            return show(call, frame.value(), shown.grants[index], to);
        }));
        return i64{0};
    }
    return Failure{Errno::not_implemented};
}

/// What became of one extent.
enum class Extent : u8 { done, failed, again };

/// Runs `one` on each extent of a request, a single page; how many succeeded, up to the first that
/// did not. No domain may have larger extents, as under Xen's memop-max-order=0.
template <typename Body> Outcome for_each_extent(Call& call, Body&& one) {
    const auto request = RAVELIN_TRY(call.read<xen_memory_reservation>(1));
    const u64 first = call.arguments[0] >> memory_extent_shift;
    if (!names_caller(call, request.domid))
        return Failure{Errno::not_permitted};
    if (request.nr_extents > ~u64{0} >> memory_extent_shift || first > request.nr_extents ||
        request.extent_order != 0)
        return static_cast<i64>(first);
    call.parts = std::min<u64>(request.nr_extents - first, parts_at_once);
    // SAFETY: a guest handle is the guest's pointer, used as a number only.
    const GuestVirtual list{reinterpret_cast<u64>(request.extent_start.p)};
    u64 next = first;
    for (; next < first + call.parts; ++next) {
        const auto start = call.vcpu.copy_in_value<u64>(list + next * sizeof(u64));
        if (!start || start.value() >= frame_limit)
            return static_cast<i64>(next);
        const Extent outcome = one(GuestFrame{start.value()});
        if (outcome == Extent::again)
            break;
        if (outcome == Extent::failed)
            return static_cast<i64>(next);
    }
    if (next < request.nr_extents)
        call.rest = {(call.arguments[0] & memory_operation_mask) | next << memory_extent_shift,
                     call.arguments[1],
                     call.arguments[2]};
    return static_cast<i64>(next);
}

} // namespace

Result<SharedPlace, Errno> share(Call& call, u64 guest_frame, u64 offset, usize size) {
    if (offset > page_size - size || offset % 8 != 0 || guest_frame >= frame_limit)
        return Failure{Errno::invalid};
    const auto& memory = call.domain.memory();
    const auto frame = memory.frame(GuestFrame{guest_frame}, Access::read_write);
    auto& frames = call.abi.around().frames;
    if (!frame || !frames.pin(frame.value(), call.domain.id()))
        return Failure{Errno::invalid};
    const auto again = memory.frame(GuestFrame{guest_frame}, Access::read_write);
    if (!again || again.value() != frame.value()) {
        frames.unpin(frame.value()); // it left in between
        return Failure{Errno::invalid};
    }
    return SharedPlace{frame.value(), static_cast<u16>(offset), true};
}

void unshare(XenAbi& abi, std::optional<SharedPlace>& place) {
    if (place && place->pinned)
        abi.around().frames.unpin(place->frame);
    place.reset();
}

Outcome maximum_ram_page(Call& call) {
    u64 end = 0;
    for (const domain::MemoryRegion& region : call.domain.memory_map()) {
        if (region.kind == domain::MemoryKind::ram)
            end = std::max(end, region.start.raw() + region.size.raw());
    }
    return static_cast<i64>(end >> page_shift);
}

Outcome reservation(Call& call) {
    const auto id = RAVELIN_TRY(call.read<domid_t>(1));
    if (!names_caller(call, id))
        return Failure{Errno::not_permitted};
    return static_cast<i64>(call.state.balloon.current());
}

Outcome maximum_reservation(Call& call) {
    const auto id = RAVELIN_TRY(call.read<domid_t>(1));
    if (!names_caller(call, id))
        return Failure{Errno::not_permitted};
    return static_cast<i64>(call.state.balloon.maximum());
}

Outcome populate_physmap(Call& call) {
    return for_each_extent(call, [&call](GuestFrame at) {
        return call.state.balloon.populate(at) ? Extent::done : Extent::failed;
    });
}

Outcome decrease_reservation(Call& call) {
    return for_each_extent(call, [&call](GuestFrame at) {
        const auto gone = call.state.balloon.release(at, &call.vcpu);
        if (gone)
            return Extent::done;
        return gone.error() == grants::BalloonError::again ? Extent::again : Extent::failed;
    });
}

Outcome memory_map(Call& call) {
    struct [[gnu::packed]] Entry { // [xen/memory.h, struct e820entry]
        u64 start;
        u64 size;
        u32 type;
    };
    static_assert(sizeof(Entry) == 20);
    auto request = RAVELIN_TRY(call.read<xen_memory_map>(1));
    const auto& map = call.domain.memory_map();
    const usize count = std::min<usize>(request.nr_entries, map.size());
    // SAFETY: a guest handle is the guest's pointer, used as a number only.
    const GuestVirtual buffer{reinterpret_cast<u64>(request.buffer.p)};
    for (usize i = 0; i < count; ++i) {
        const Entry entry{map[i].start.raw(), map[i].size.raw(), static_cast<u32>(map[i].kind)};
        (void)RAVELIN_TRY(call.write_at(buffer + i * sizeof(Entry), entry));
    }
    request.nr_entries = static_cast<unsigned>(count);
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome add_to_physmap(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_add_to_physmap>(1));
    if (!names_caller(call, request.domid))
        return Failure{Errno::not_permitted};
    return add_page(call, request.space, request.idx, GuestFrame{request.gpfn});
}

Outcome add_to_physmap_batch(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_add_to_physmap_batch>(1));
    if (!names_caller(call, request.domid))
        return Failure{Errno::not_permitted};
    const u64 first = call.arguments[0] >> memory_extent_shift;
    if (first > request.size)
        return Failure{Errno::invalid};
    call.parts = std::min<u64>(request.size - first, parts_at_once);
    const u64 next = first + call.parts;
    // SAFETY: guest handles are the guest's pointers, used as numbers only.
    const GuestVirtual indexes{reinterpret_cast<u64>(request.idxs.p)};
    // SAFETY: as above.
    const GuestVirtual pages{reinterpret_cast<u64>(request.gpfns.p)};
    // SAFETY: as above.
    const GuestVirtual errors{reinterpret_cast<u64>(request.errs.p)};
    for (u64 i = first; i < next; ++i) {
        const auto index = call.vcpu.copy_in_value<u64>(indexes + i * sizeof(u64));
        const auto page = call.vcpu.copy_in_value<u64>(pages + i * sizeof(u64));
        if (!index || !page)
            return Failure{Errno::fault};
        const auto error = static_cast<i32>(
            to_register(add_page(call, request.space, index.value(), GuestFrame{page.value()})));
        (void)RAVELIN_TRY(call.write_at(errors + i * sizeof(i32), error));
    }
    if (next < request.size)
        call.rest = {(call.arguments[0] & memory_operation_mask) | next << memory_extent_shift,
                     call.arguments[1],
                     call.arguments[2]};
    return i64{0};
}

Outcome remove_from_physmap(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_remove_from_physmap>(1));
    if (!names_caller(call, request.domid))
        return Failure{Errno::not_permitted};
    const GuestFrame from{request.gpfn};
    // Only shown pages go: RAM leaves by decrease_reservation, granted pages by their handles.
    return call.state.shown.with([&call, from](ShownPages& shown) -> Outcome {
        const auto hide = [&call, from](std::optional<GuestFrame>& shown_at,
                                        HostFrame page) -> Outcome {
            if (const auto hidden = call.domain.stage2().unmap_page(from.address(), page.address());
                !hidden)
                return Failure{to_errno(hidden.error())};
            shown_at.reset();
            return i64{0};
        };
        if (shown.shared_info == from)
            return hide(shown.shared_info, call.state.shared_info);
        for (u32 i = 0; i < shown.grants.size(); ++i) {
            if (shown.grants[i] != from)
                continue;
            const auto frame = call.state.grants.frame(i);
            return frame ? hide(shown.grants[i], frame.value())
                         : Outcome{Failure{Errno::no_memory}};
        }
        return Failure{Errno::invalid};
    });
}

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// memory_op: what a domain may ask and change about its own guest-physical space. [xen/memory.h]
#include "call.hpp"

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

bool names_caller(const Call& call, u16 id) {
    return id == DOMID_SELF || id == call.domain.id().raw();
}

u64 ram_frames(domain::Domain& domain) {
    u64 bytes = 0;
    for (const domain::MemoryRegion& region : domain.memory_map()) {
        if (region.kind == domain::MemoryKind::ram)
            bytes += region.size.raw();
    }
    return bytes >> page_shift;
}

Errno to_errno(stage2::Error error) {
    return error == stage2::Error::out_of_frames ? Errno::no_memory : Errno::invalid;
}

/// Whether a guest frame shows one of the pages the hypervisor writes to.
bool is_shared_page(const DomainState& state, GuestFrame frame) {
    return state.shared_info_at == frame ||
           std::find(state.grants_at.begin(), state.grants_at.end(), frame) !=
               state.grants_at.end();
}

/// Shows `page` at `to`, where a page of the domain's own may be, and nowhere else.
Status<Errno> show(Call& call, HostFrame page, std::optional<GuestFrame>& shown_at, GuestFrame to) {
    auto& table = call.domain.stage2();
    if (is_shared_page(call.state, to) && shown_at != to)
        return Failure{Errno::busy};
    if (shown_at) {
        if (const auto hidden = table.unmap(shown_at->address(), Bytes{page_size}); !hidden)
            return Failure{to_errno(hidden.error())};
        shown_at.reset();
    } else if (table.translate(to.address())) {
        // The frame behind it stays the domain's until it is destroyed.
        if (const auto hidden = table.unmap(to.address(), Bytes{page_size}); !hidden)
            return Failure{to_errno(hidden.error())};
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

} // namespace

Result<SharedPlace, Errno> share(Call& call, u64 guest_frame, u64 offset, usize size) {
    if (offset > page_size - size || offset % 8 != 0)
        return Failure{Errno::invalid};
    const auto frame = call.domain.memory().frame(GuestFrame{guest_frame}, Access::read_write);
    if (!frame)
        return Failure{Errno::invalid};
    return SharedPlace{frame.value(), static_cast<u16>(offset)};
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
    return static_cast<i64>(ram_frames(call.domain));
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
    const GuestFrame to{request.gpfn};
    if (to.raw() >= u64{1} << 36)
        return Failure{Errno::invalid};
    if (request.space == XENMAPSPACE_shared_info && request.idx == 0) {
        (void)RAVELIN_TRY(show(call, call.state.shared_info, call.state.shared_info_at, to));
        return i64{0};
    }
    if (request.space == XENMAPSPACE_grant_table) {
        if (request.idx >= DomainState::grant_frames)
            return Failure{Errno::invalid};
        (void)RAVELIN_TRY(
            show(call, call.state.grants[request.idx], call.state.grants_at[request.idx], to));
        return i64{0};
    }
    return Failure{Errno::not_implemented};
}

Outcome remove_from_physmap(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_remove_from_physmap>(1));
    if (!names_caller(call, request.domid))
        return Failure{Errno::not_permitted};
    const GuestFrame from{request.gpfn};
    // Only shown pages go: a frame of RAM may hold a structure that the hypervisor writes to.
    const auto hide = [&call, from](std::optional<GuestFrame>& shown_at) -> Outcome {
        if (const auto hidden = call.domain.stage2().unmap(from.address(), Bytes{page_size});
            !hidden)
            return Failure{to_errno(hidden.error())};
        shown_at.reset();
        return i64{0};
    };
    if (call.state.shared_info_at == from)
        return hide(call.state.shared_info_at);
    for (auto& shown_at : call.state.grants_at) {
        if (shown_at == from)
            return hide(shown_at);
    }
    return Failure{Errno::invalid};
}

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// grant_table_op, version 1, for auto-translated guests. Operations come in batches; each has its
// own status, a batch fails as a whole only where its memory cannot be reached. [xen/grant_table.h]
#include "call.hpp"

#include <algorithm>
#include <cstring>

namespace ravelin::hv::abi {
namespace {

using grants::GrantError;
using grants::GrantTable;

static_assert(static_cast<i16>(GrantError::general) == GNTST_general_error &&
              static_cast<i16>(GrantError::bad_domain) == GNTST_bad_domain &&
              static_cast<i16>(GrantError::bad_reference) == GNTST_bad_gntref &&
              static_cast<i16>(GrantError::bad_handle) == GNTST_bad_handle &&
              static_cast<i16>(GrantError::bad_address) == GNTST_bad_virt_addr &&
              static_cast<i16>(GrantError::no_device_space) == GNTST_no_device_space &&
              static_cast<i16>(GrantError::not_permitted) == GNTST_permission_denied &&
              static_cast<i16>(GrantError::bad_page) == GNTST_bad_page &&
              static_cast<i16>(GrantError::bad_copy) == GNTST_bad_copy_arg &&
              static_cast<i16>(GrantError::again) == GNTST_eagain &&
              static_cast<i16>(GrantError::no_space) == GNTST_no_space);

/// The table of the domain that granted, kept from being torn down while this lives. Pages flow
/// both ways, as events do.
class Granter {
  public:
    Granter(Call& call, domid_t id) {
        if (id == call.domain.id().raw()) {
            table_ = &call.state.grants;
            return;
        }
        other_ = call.abi.around().directory.find(DomainId{id});
        if (!other_ || other_->abi_state() == nullptr)
            return;
        if (may_join(call.domain, *other_))
            table_ = &other_->abi_state()->grants;
        else
            error_ = GrantError::not_permitted;
    }
    [[nodiscard]] Result<GrantTable*, GrantError> table() const {
        if (table_ == nullptr)
            return Failure{error_};
        return table_;
    }

  private:
    domain::Reference other_;
    GrantTable* table_{};
    GrantError error_{GrantError::bad_domain};
};

template <typename T> i16 status_of(const T& result) {
    return result.is_ok() ? i16{GNTST_okay} : static_cast<i16>(result.error());
}

template <typename T> Result<T, Errno> read_at(Call& call, GuestVirtual at) {
    const auto copied = call.vcpu.copy_in_value<T>(at);
    if (!copied)
        return Failure{Errno::fault};
    return copied.value();
}

/// Whether an operation of the batch may take pages of the caller away, its own list among them.
enum class Effect : u8 { keeps_pages, takes_pages };

/// Runs `one` on each operation of a batch and writes it back.
template <typename T, Effect effect = Effect::keeps_pages, typename Body>
Outcome for_each(Call& call, Body&& one) {
    const GuestVirtual start{call.arguments[1]};
    const u32 count = static_cast<u32>(call.arguments[2]);
    call.parts = std::min<u64>(count, parts_at_once);
    u64 next = call.parts;
    std::span<u8> window;
    for (u64 i = 0; i < call.parts; ++i) {
        const GuestVirtual at = start + i * sizeof(T);
        if (effect == Effect::keeps_pages && window.size() < sizeof(T)) {
            const auto found = call.vcpu.window(at);
            if (!found)
                return Failure{Errno::fault};
            window = found.value();
        }
        T operation;
        const bool within = window.size() >= sizeof(T);
        if (within)
            std::memcpy(&operation, window.data(), sizeof(T));
        else
            operation =
                RAVELIN_TRY(read_at<T>(call, at)); // across two pages, or looked up each time
        one(operation);
        if (operation.status == GNTST_eagain) {
            next = i;
            break;
        }
        if (within)
            std::memcpy(window.data(), &operation, sizeof(T));
        else
            (void)RAVELIN_TRY(call.write_at(at, operation));
        window = window.subspan(within ? sizeof(T) : window.size());
    }
    if (next < count)
        call.rest = {call.arguments[0], (start + next * sizeof(T)).raw(), count - next};
    return i64{0};
}

void map_one(Call& call, gnttab_map_grant_ref& request) {
    constexpr u32 unusual = GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte;
    const GuestPhysical at{request.host_addr};
    const Granter granter{call, request.dom};
    if ((request.flags & (GNTMAP_device_map | GNTMAP_host_map)) == 0) {
        request.status = GNTST_bad_gntref;
    } else if ((request.flags & unusual) != 0) {
        request.status = GNTST_general_error;
    } else if (!at.is_aligned(page_size) || GuestFrame::of(at).raw() >= frame_limit) {
        request.status = GNTST_bad_virt_addr;
    } else if (const auto table = granter.table(); !table) {
        request.status = status_of(table);
    } else {
        const bool reads_only = (request.flags & GNTMAP_readonly) != 0;
        const auto handle = call.state.grants.map(GuestFrame::of(at),
                                                  *table.value(),
                                                  GrantRef{request.ref},
                                                  reads_only ? Access::read : Access::read_write);
        request.status = status_of(handle);
        if (handle) {
            request.handle = handle.value().raw();
            request.dev_bus_addr = at.raw(); // devices see guest-physical addresses
        }
    }
}

/// One end of a copy.
class End {
  public:
    End(Call& call, const gnttab_copy::gnttab_copy_ptr& pointer, bool by_reference)
        : granter_{call, pointer.domid == DOMID_SELF ? call.domain.id().raw() : pointer.domid},
          pointer_{pointer}, by_reference_{by_reference}, own_{names_caller(call, pointer.domid)} {}

    [[nodiscard]] Result<GrantTable::CopyEnd, GrantError> decode() const {
        if (by_reference_)
            return GrantTable::CopyEnd{
                RAVELIN_TRY(granter_.table()), GrantRef{pointer_.u.ref}, {}, pointer_.offset};
        if (!own_)
            return Failure{GrantError::not_permitted};
        if (pointer_.u.gmfn >= frame_limit)
            return Failure{GrantError::bad_page};
        return GrantTable::CopyEnd{nullptr, {}, GuestFrame{pointer_.u.gmfn}, pointer_.offset};
    }

  private:
    Granter granter_;
    const gnttab_copy::gnttab_copy_ptr& pointer_;
    bool by_reference_;
    bool own_;
};

Status<GrantError> copy_one(Call& call, const gnttab_copy& request) {
    const End source{call, request.source, (request.flags & GNTCOPY_source_gref) != 0};
    const End target{call, request.dest, (request.flags & GNTCOPY_dest_gref) != 0};
    return call.state.grants.copy(
        RAVELIN_TRY(source.decode()), RAVELIN_TRY(target.decode()), request.len);
}

} // namespace

Outcome grant_map(Call& call) {
    return for_each<gnttab_map_grant_ref>(
        call, [&call](gnttab_map_grant_ref& request) { map_one(call, request); });
}

Outcome grant_unmap(Call& call) {
    return for_each<gnttab_unmap_grant_ref, Effect::takes_pages>(
        call, [&call](gnttab_unmap_grant_ref& request) {
            request.status = status_of(call.state.grants.unmap(
                grants::Handle{request.handle}, GuestPhysical{request.host_addr}, &call.vcpu));
        });
}

Outcome grant_copy(Call& call) {
    return for_each<gnttab_copy>(call, [&call](gnttab_copy& request) {
        request.status = status_of(copy_one(call, request));
    });
}

Outcome grant_setup_table(Call& call) {
    if (static_cast<u32>(call.arguments[2]) != 1)
        return Failure{Errno::invalid};
    auto request = RAVELIN_TRY(call.read<gnttab_setup_table>(1));
    request.status = GNTST_okay;
    if (!names_caller(call, request.dom))
        request.status = GNTST_permission_denied;
    else if (!call.state.grants.grow(request.nr_frames))
        request.status = GNTST_general_error;
    // SAFETY: a guest handle is the guest's pointer, used as a number only.
    const GuestVirtual list{reinterpret_cast<u64>(request.frame_list.p)};
    for (u32 i = 0; request.status == GNTST_okay && i < request.nr_frames; ++i) {
        const auto at =
            call.state.shown.with([i](const ShownPages& shown) { return shown.grants[i]; });
        (void)RAVELIN_TRY(call.write_at(list + i * sizeof(u64), at ? at->raw() : ~u64{0}));
    }
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome grant_query_size(Call& call) {
    auto query = RAVELIN_TRY(call.read<gnttab_query_size>(1));
    if (!names_caller(call, query.dom)) {
        query.status = GNTST_permission_denied;
    } else {
        query.nr_frames = call.state.grants.frame_count();
        query.max_nr_frames = GrantTable::most_frames;
        query.status = GNTST_okay;
    }
    (void)RAVELIN_TRY(call.write(1, query));
    return i64{0};
}

Outcome grant_set_version(Call& call) {
    auto wanted = RAVELIN_TRY(call.read<gnttab_set_version>(1));
    if (wanted.version != 1)
        return Failure{Errno::not_implemented};
    (void)RAVELIN_TRY(call.write(1, wanted));
    return i64{0};
}

Outcome grant_get_version(Call& call) {
    auto query = RAVELIN_TRY(call.read<gnttab_get_version>(1));
    query.version = 1;
    (void)RAVELIN_TRY(call.write(1, query));
    return i64{0};
}

} // namespace ravelin::hv::abi

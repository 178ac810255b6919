// SPDX-License-Identifier: Apache-2.0
// Mapping granted pages: a record for each, then devices, then CPUs; and back in the other order:
// CPUs, devices, and only then the pin.
#include <hv/grants/grant_table.hpp>

#include <algorithm>

namespace ravelin::hv::grants {

namespace {

// A handle: the record's number, and how often it was used before.
constexpr unsigned index_bits = 15;
static_assert(GrantTable::most_mappings == 1u << index_bits);

constexpr u32 index_of(Handle handle) {
    return handle.raw() & (GrantTable::most_mappings - 1);
}
constexpr Handle make_handle(u32 index, u16 generation) {
    return Handle{u32{generation} << index_bits | index};
}

} // namespace

GrantTable::Mapping& GrantTable::mapping(u32 index) {
    // SAFETY: a page of the hypervisor's own that holds nothing but these records.
    auto* const page =
        reinterpret_cast<Mapping*>(memory_->page(mappings_[index / mappings_per_page]).data());
    return page[index % mappings_per_page];
}

Result<Handle, GrantError> GrantTable::take_mapping(const Mapping& wanted) {
    const LockGuard guard{mappings_lock_};
    if (first_free_ == no_mapping) {
        if (mapping_pages_ == mappings_.size())
            return Failure{GrantError::no_space};
        const auto page = memory_->allocate();
        if (!page)
            return Failure{GrantError::no_space};
        mappings_[mapping_pages_] = page.value();
        const u32 first = mapping_pages_++ * mappings_per_page;
        for (u32 i = mappings_per_page; i-- > 0;) {
            mapping(first + i).at = first_free_;
            first_free_ = first + i;
        }
    }
    const u32 index = first_free_;
    Mapping& record = mapping(index);
    first_free_ = static_cast<u32>(record.at);
    const u16 generation = record.generation;
    record = wanted;
    record.generation = generation;
    record.state = MappingState::busy;
    return make_handle(index, generation);
}

/// Makes a mapping nobody else's to undo; nothing when there is none of that handle there.
std::optional<GrantTable::Mapping> GrantTable::begin_unmap(Handle handle, GuestPhysical at) {
    const LockGuard guard{mappings_lock_};
    if (index_of(handle) >= mapping_pages_ * mappings_per_page)
        return std::nullopt;
    Mapping& record = mapping(index_of(handle));
    const bool there =
        record.state == MappingState::mapped || record.state == MappingState::draining;
    if (!there || make_handle(index_of(handle), record.generation) != handle ||
        GuestFrame{record.at}.address() != at)
        return std::nullopt;
    const Mapping found = record;
    record.state = MappingState::busy;
    return found;
}

void GrantTable::set_draining(Handle handle, u64 ticket) {
    const LockGuard guard{mappings_lock_};
    Mapping& record = mapping(index_of(handle));
    record.detail = ticket;
    record.state = MappingState::draining;
}

void GrantTable::set_state(Handle handle, MappingState state) {
    const LockGuard guard{mappings_lock_};
    Mapping& record = mapping(index_of(handle));
    record.state = state;
    if (state != MappingState::free)
        return;
    record.granter = nullptr;
    record.generation = static_cast<u16>(record.generation + 1);
    record.at = first_free_;
    first_free_ = index_of(handle);
}

Result<Handle, GrantError>
GrantTable::map(GuestFrame at, GrantTable& granter, GrantRef reference, Access access) {
    auto& table = domain_->stage2();
    if (table.translate(at.address()))
        return Failure{GrantError::bad_address};
    const HostFrame frame = RAVELIN_TRY(granter.claim(reference, domain_->id(), access));
    const auto handle = take_mapping(
        {&granter, at.raw(), reference.raw(), 0, MappingState::busy, access, frame.raw()});
    if (!handle) {
        granter.drop(reference, access);
        return Failure{handle.error()};
    }
    const auto undo = [&](GrantError error) {
        granter.drop(reference, access);
        set_state(handle.value(), MappingState::free);
        return Failure{error};
    };
    switch (dma_->map(*domain_, at, frame, access)) {
    case Mirrored::done:
        break;
    case Mirrored::refused:
        return undo(GrantError::no_device_space);
    case Mirrored::unknown:
        return Failure{GrantError::no_device_space}; // busy and pinned for good
    }
    const auto mapped = table.map(
        at.address(), frame.address(), Bytes{page_size}, access, stage2::MemoryType::write_back);
    if (!mapped) {
        // A device that might still reach the frame keeps it pinned.
        if (!dma_->unmap(*domain_, at))
            return Failure{GrantError::general};
        return undo(mapped.error() == stage2::Error::out_of_frames ? GrantError::no_space
                                                                   : GrantError::bad_address);
    }
    set_state(handle.value(), MappingState::mapped);
    return handle.value();
}

Status<GrantError> GrantTable::unmap(Handle handle, GuestPhysical at, const domain::Vcpu* self) {
    const auto record = begin_unmap(handle, at);
    if (!record)
        return Failure{GrantError::bad_handle};
    u64 ticket = record->detail;
    if (record->state == MappingState::mapped) {
        // Where the domain itself made the page disappear there is nothing to take away.
        const auto hidden = domain_->stage2().unmap_page(at, HostFrame{record->detail}.address());
        if (!hidden && hidden.error() != stage2::Error::not_mapped) {
            set_state(handle, MappingState::mapped);
            return Failure{GrantError::general};
        }
        // Busy for ever: the granter's frame stays pinned, because a device might still reach it.
        if (!dma_->unmap(*domain_, GuestFrame{record->at}))
            return Failure{GrantError::general};
        ticket = domain_->grace().ticket(*domain_, self);
    }
    if (!domain_->grace().has_passed(*domain_, ticket, self)) {
        set_draining(handle, ticket);
        return Failure{GrantError::again};
    }
    record->granter->drop(GrantRef{record->reference}, record->access);
    set_state(handle, MappingState::free);
    return Unit{};
}

bool GrantTable::release_mappings(u32 most) {
    u32 pages = 0;
    {
        const LockGuard guard{mappings_lock_};
        pages = mapping_pages_;
    }
    for (; next_release_ < pages * mappings_per_page; ++next_release_) {
        Mapping record{};
        {
            const LockGuard guard{mappings_lock_};
            record = mapping(next_release_);
        }
        if (record.state != MappingState::mapped && record.state != MappingState::draining)
            continue;
        if (most-- == 0)
            return false;
        (void)unmap(make_handle(next_release_, record.generation), GuestFrame{record.at}.address());
    }
    next_release_ = 0;
    return true;
}

} // namespace ravelin::hv::grants

// SPDX-License-Identifier: Apache-2.0
// Using a granted page: the entry is checked and marked, its frame found and pinned; and copying,
// which does no more than that. The entry may change at any moment but for what the
// compare-and-swap saw.
#include "entry.hpp"

#include <hv/grants/grant_table.hpp>

#include <atomic>
#include <cstring>

namespace ravelin::hv::grants {

namespace {

/// Sets the marks in an entry that grants `user` the access; the entry as it was. [Xen bounds the
/// tries likewise: a guest that keeps changing its entry only keeps others from using it]
Result<u64, GrantError> mark(u64& word, DomainId user, Access access) {
    constexpr unsigned tries = 5;
    const bool writes = allows(access, Access::write);
    std::atomic_ref shared{word};
    u64 seen = shared.load(std::memory_order_relaxed);
    for (unsigned i = 0; i < tries; ++i) {
        if ((seen & entry::type_mask) != entry::permit_access || entry::grantee(seen) != user ||
            (writes && (seen & entry::readonly) != 0))
            return Failure{GrantError::general};
        const u64 marked = seen | entry::reading | (writes ? entry::writing : 0);
        if (shared.compare_exchange_strong(seen, marked))
            return seen;
    }
    return Failure{GrantError::general};
}

} // namespace

/// Takes out of an entry the marks that no use needs any more.
void GrantTable::unmark(u32 reference, const Active& use) {
    u64 gone = use.writers == 0 ? entry::writing : 0;
    if (use.writers == 0 && use.readers == 0)
        gone |= entry::reading;
    if (gone != 0)
        std::atomic_ref{shared(reference)}.fetch_and(~gone, std::memory_order_release);
}

/// The frame behind a page of this domain, pinned. Only the domain's own memory can be.
Result<HostFrame, GrantError> GrantTable::pin_page(GuestFrame page, Access access) {
    const u64 losses = domain_->stage2().losses();
    const auto found = domain_->memory().frame(page, access);
    if (!found || found.value().raw() > ~u32{0} || !frames_->pin(found.value(), domain_->id()))
        return Failure{GrantError::bad_page};
    if (domain_->stage2().losses() == losses)
        return found.value();
    const auto again = domain_->memory().frame(page, access);
    if (again && again.value() == found.value())
        return found.value();
    frames_->unpin(found.value()); // it left in between
    return Failure{GrantError::bad_page};
}

Result<HostFrame, GrantError> GrantTable::claim(GrantRef reference, DomainId user, Access access) {
    const LockGuard guard{lock_};
    const u32 index = reference.raw();
    if (index >= count_ * entries_per_frame)
        return Failure{GrantError::bad_reference};
    Active& use = active(index);
    if (use.readers >= most_users || use.writers >= most_users)
        return Failure{GrantError::no_space};
    const u64 word = RAVELIN_TRY(mark(shared(index), user, access));
    const GuestFrame page{entry::page(word)};
    const auto refuse = [&](GrantError error) {
        unmark(index, use);
        return Failure{error};
    };
    if (use.readers == 0 && use.writers == 0) {
        const auto frame = pin_page(page, access);
        if (!frame)
            return refuse(frame.error());
        use.frame = static_cast<u32>(frame.value().raw());
        use.user = user;
        ++in_use_;
    } else {
        // In use the entry means what it meant first.
        const auto frame = domain_->memory().frame(page, access);
        if (use.user != user || !frame || frame.value().raw() != use.frame)
            return refuse(GrantError::general);
    }
    ++(allows(access, Access::write) ? use.writers : use.readers);
    return HostFrame{use.frame};
}

void GrantTable::drop(GrantRef reference, Access access) {
    const LockGuard guard{lock_};
    Active& use = active(reference.raw());
    --(allows(access, Access::write) ? use.writers : use.readers);
    unmark(reference.raw(), use);
    if (use.readers != 0 || use.writers != 0)
        return;
    frames_->unpin(HostFrame{use.frame});
    use = {};
    --in_use_;
}

Result<HostFrame, GrantError> GrantTable::open(const CopyEnd& end, Access access) {
    if (end.granter == nullptr)
        return pin_page(end.frame, access);
    return end.granter->claim(end.reference, domain_->id(), access);
}

void GrantTable::close(const CopyEnd& end, HostFrame frame, Access access) {
    if (end.granter == nullptr)
        frames_->unpin(frame);
    else
        end.granter->drop(end.reference, access);
}

Status<GrantError> GrantTable::copy(const CopyEnd& source, const CopyEnd& target, u16 size) {
    if (u64{source.offset} + size > page_size || u64{target.offset} + size > page_size)
        return Failure{GrantError::bad_copy};
    const HostFrame from = RAVELIN_TRY(open(source, Access::read));
    const auto to = open(target, Access::read_write);
    if (!to) {
        close(source, from, Access::read);
        return Failure{to.error()};
    }
    const u8* const first = domain_->memory().bytes(from).data() + source.offset;
    u8* const place = domain_->memory().bytes(to.value()).data() + target.offset;
    if (from == to.value())
        std::memmove(place, first, size);
    else
        std::memcpy(place, first, size);
    close(target, to.value(), Access::read_write);
    close(source, from, Access::read);
    return Unit{};
}

} // namespace ravelin::hv::grants

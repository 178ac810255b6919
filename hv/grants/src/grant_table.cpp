// SPDX-License-Identifier: Apache-2.0
// A table's own pages: shared frames, and behind each the records of who uses its entries.
#include "entry.hpp"

#include <hv/grants/grant_table.hpp>

#include <atomic>

namespace ravelin::hv::grants {

Status<GrantError> GrantTable::set_up(domain::Domain& domain,
                                      TableMemory& memory,
                                      mm::FrameAllocator& frames,
                                      DmaMirror& dma) {
    domain_ = &domain;
    memory_ = &memory;
    frames_ = &frames;
    dma_ = &dma;
    return grow(1);
}

Status<GrantError> GrantTable::prefill(GrantRef reference, DomainId to, GuestFrame page) {
    const LockGuard guard{lock_};
    if (reference.raw() >= count_ * entries_per_frame || page.raw() > entry::most_page)
        return Failure{GrantError::bad_reference};
    std::atomic_ref{shared(reference.raw())}.store(entry::permit(to, page));
    return Unit{};
}

u32 GrantTable::frame_count() {
    const LockGuard guard{lock_};
    return count_;
}

Status<GrantError> GrantTable::grow(u32 frames) {
    const LockGuard guard{lock_};
    return grow_locked(frames);
}

Result<HostFrame, GrantError> GrantTable::frame(u32 index) {
    const LockGuard guard{lock_};
    if (index >= most_frames)
        return Failure{GrantError::no_space};
    (void)RAVELIN_TRY(grow_locked(index + 1));
    return shared_[index];
}

Status<GrantError> GrantTable::grow_locked(u32 frames) {
    if (frames > most_frames)
        return Failure{GrantError::no_space};
    for (; count_ < frames; ++count_) {
        std::array<HostFrame, 1 + active_pages> pages{};
        for (u32 i = 0; i < pages.size(); ++i) {
            const auto page = memory_->allocate();
            if (!page) {
                while (i-- > 0)
                    memory_->release(pages[i]);
                return Failure{GrantError::no_space};
            }
            pages[i] = page.value();
        }
        shared_[count_] = pages[0];
        for (u32 i = 0; i < active_pages; ++i)
            active_[count_ * active_pages + i] = pages[1 + i];
    }
    return Unit{};
}

u64& GrantTable::shared(u32 reference) {
    return memory_->page(shared_[reference / entries_per_frame])[reference % entries_per_frame];
}

GrantTable::Active& GrantTable::active(u32 reference) {
    // SAFETY: a zeroed page of the hypervisor's own that holds nothing but these records.
    auto* const page =
        reinterpret_cast<Active*>(memory_->page(active_[reference / active_per_page]).data());
    return page[reference % active_per_page];
}

u32 GrantTable::entries_in_use() {
    const LockGuard guard{lock_};
    return in_use_;
}

void GrantTable::tear_down() {
    const LockGuard guard{lock_};
    const LockGuard mappings_guard{mappings_lock_};
    ensure(in_use_ == 0, "a grant table torn down while others use it");
    for (u32 i = 0; i < count_; ++i)
        memory_->release(shared_[i]);
    for (u32 i = 0; i < count_ * active_pages; ++i)
        memory_->release(active_[i]);
    for (u32 i = 0; i < mapping_pages_; ++i)
        memory_->release(mappings_[i]);
    count_ = 0;
    mapping_pages_ = 0;
    first_free_ = no_mapping;
}

} // namespace ravelin::hv::grants

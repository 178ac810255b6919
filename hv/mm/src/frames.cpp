// SPDX-License-Identifier: Apache-2.0
// First fit for blocks from the top, next fit for single frames from the bottom, so that single
// frames do not break up the large blocks that domains want.
#include "hv/mm/frames.hpp"

#include <algorithm>

namespace ravelin::hv::mm {

void FrameAllocator::initialise(std::span<FrameInfo> frames, Scrubber& scrubber) {
    const LockGuard guard{lock_};
    frames_ = frames;
    scrubber_ = &scrubber;
    std::fill(frames_.begin(), frames_.end(), FrameInfo{});
}

void FrameAllocator::add_ram(HostFrame first, u64 count) {
    const LockGuard guard{lock_};
    const u64 end = std::min<u64>(frames_.size(), first.raw() + count);
    for (u64 frame = first.raw(); frame < end; ++frame) {
        if (frames_[frame].type == FrameType::absent)
            frames_[frame].type = FrameType::free;
    }
}

void FrameAllocator::reserve(HostFrame first, u64 count, FrameType type) {
    const LockGuard guard{lock_};
    const u64 end = std::min<u64>(frames_.size(), first.raw() + count);
    for (u64 frame = first.raw(); frame < end; ++frame) {
        if (is_free(frame) || frames_[frame].type == FrameType::absent)
            frames_[frame].type = type;
    }
}

/// How many of `count` frames from `start` on are free.
u64 FrameAllocator::free_run(u64 start, u64 count) const {
    u64 run = 0;
    while (run < count && is_free(start + run))
        ++run;
    return run;
}

void FrameAllocator::take(u64 start, u64 count, FrameType type, DomainId owner, Content content) {
    if (content == Content::zeroed) {
        scrubber_->scrub(HostFrame{start}, count);
        scrubbed_ += count;
    }
    for (u64 frame = start; frame < start + count; ++frame) {
        frames_[frame].type = type;
        frames_[frame].owner = owner;
    }
}

Result<HostFrame, FrameError>
FrameAllocator::find_aligned(u64 count, FrameType type, DomainId owner) {
    for (u64 block = frames_.size() / count; block-- > 0;) {
        const u64 start = block * count;
        // The ends first: a block that is cut short shows there.
        if (!is_free(start) || !is_free(start + count - 1) || free_run(start, count) != count)
            continue;
        take(start, count, type, owner, Content::zeroed);
        return HostFrame{start};
    }
    return Failure{FrameError::out_of_frames};
}

Result<HostFrame, FrameError>
FrameAllocator::allocate(FrameOrder order, FrameType type, DomainId owner) {
    const LockGuard guard{lock_};
    if (order != FrameOrder::size_4k)
        return find_aligned(frames_of(order), type, owner);
    for (u64 step = 0; step < frames_.size(); ++step) {
        if (next_ >= frames_.size())
            next_ = 0;
        const u64 frame = next_++;
        if (!is_free(frame))
            continue;
        take(frame, 1, type, owner, Content::zeroed);
        return HostFrame{frame};
    }
    return Failure{FrameError::out_of_frames};
}

Result<HostFrame, FrameError>
FrameAllocator::allocate_contiguous(u64 count, FrameType type, DomainId owner, Content content) {
    const LockGuard guard{lock_};
    for (u64 start = 0; count != 0 && start + count <= frames_.size();) {
        const u64 run = free_run(start, count);
        if (run == count) {
            take(start, count, type, owner, content);
            return HostFrame{start};
        }
        start += run + 1;
    }
    return Failure{FrameError::out_of_frames};
}

Status<FrameError> FrameAllocator::release(HostFrame first, u64 count, DomainId owner) {
    const LockGuard guard{lock_};
    if (first.raw() >= frames_.size() || count > frames_.size() - first.raw())
        return Failure{FrameError::not_owned};
    const auto range = frames_.subspan(first.raw(), count);
    const bool owned = std::all_of(range.begin(), range.end(), [owner](const FrameInfo& info) {
        return info.owner == owner && info.type >= FrameType::hypervisor;
    });
    if (!owned)
        return Failure{FrameError::not_owned};
    if (std::any_of(
            range.begin(), range.end(), [](const FrameInfo& info) { return info.pins != 0; }))
        return Failure{FrameError::pinned};
    std::fill(range.begin(), range.end(), FrameInfo{hypervisor_owner, FrameType::free, 0});
    next_ = std::min(next_, first.raw());
    return Unit{};
}

FrameInfo* FrameAllocator::memory_of(HostFrame frame, DomainId owner) {
    if (frame.raw() >= frames_.size())
        return nullptr;
    FrameInfo& info = frames_[frame.raw()];
    return info.owner == owner && info.type == FrameType::domain ? &info : nullptr;
}

Status<FrameError> FrameAllocator::pin(HostFrame frame, DomainId owner) {
    const LockGuard guard{lock_};
    FrameInfo* const info = memory_of(frame, owner);
    if (info == nullptr)
        return Failure{FrameError::not_owned};
    if (info->pins == FrameInfo::most_pins)
        return Failure{FrameError::pinned};
    ++info->pins;
    return Unit{};
}

void FrameAllocator::unpin(HostFrame frame) {
    const LockGuard guard{lock_};
    ensure(frame.raw() < frames_.size() && frames_[frame.raw()].pins != 0,
           "unpinning what is not pinned");
    --frames_[frame.raw()].pins;
}

Status<FrameError> FrameAllocator::begin_release(HostFrame frame, DomainId owner) {
    const LockGuard guard{lock_};
    FrameInfo* const info = memory_of(frame, owner);
    if (info == nullptr)
        return Failure{FrameError::not_owned};
    if (info->pins != 0)
        return Failure{FrameError::pinned};
    info->type = FrameType::leaving;
    return Unit{};
}

void FrameAllocator::keep(HostFrame frame) {
    const LockGuard guard{lock_};
    ensure(frame.raw() < frames_.size() && frames_[frame.raw()].type == FrameType::leaving,
           "keeping what does not leave");
    frames_[frame.raw()].type = FrameType::domain;
}

u64 FrameAllocator::release_unpinned(HostFrame first, u64 count, DomainId owner) {
    const LockGuard guard{lock_};
    const u64 end = std::min<u64>(frames_.size(), first.raw() + count);
    u64 pinned = 0;
    for (u64 frame = first.raw(); frame < end; ++frame) {
        FrameInfo& info = frames_[frame];
        if (info.owner != owner || info.type < FrameType::domain)
            continue;
        if (info.pins != 0) {
            ++pinned;
            continue;
        }
        info = FrameInfo{hypervisor_owner, FrameType::free, 0};
        next_ = std::min(next_, frame);
    }
    return pinned;
}

void FrameAllocator::reclaim(HostFrame first, u64 count, FrameType from) {
    const LockGuard guard{lock_};
    const u64 end = std::min<u64>(frames_.size(), first.raw() + count);
    for (u64 frame = first.raw(); frame < end; ++frame) {
        if (frames_[frame].type == from)
            frames_[frame] = FrameInfo{hypervisor_owner, FrameType::free, 0};
    }
}

FrameInfo FrameAllocator::info(HostFrame frame) {
    const LockGuard guard{lock_};
    return frame.raw() < frames_.size() ? frames_[frame.raw()] : FrameInfo{};
}

FrameCounts FrameAllocator::counts() {
    const LockGuard guard{lock_};
    FrameCounts out{};
    for (const FrameInfo& info : frames_) {
        ++out.of_type[static_cast<u8>(info.type)];
        if (info.type != FrameType::absent && info.type != FrameType::reserved)
            ++out.total;
    }
    out.free = out.of_type[static_cast<u8>(FrameType::free)];
    return out;
}

} // namespace ravelin::hv::mm

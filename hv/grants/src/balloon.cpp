// SPDX-License-Identifier: Apache-2.0
#include <hv/grants/balloon.hpp>

#include <algorithm>

namespace ravelin::hv::grants {

void Balloon::set_up(domain::Domain& domain, mm::FrameAllocator& frames, DmaMirror& dma) {
    domain_ = &domain;
    frames_ = &frames;
    dma_ = &dma;
    if (!domain.memory_map().empty())
        count_memory();
}

void Balloon::count_memory() {
    u64 bytes = 0;
    for (const domain::MemoryRegion& region : domain_->memory_map()) {
        const u64 end = region.start.raw() + region.size.raw();
        for (u64 at = region.start.raw(); at < end;) {
            const auto page = domain_->stage2().translate(GuestPhysical{at});
            if (!page || page->type != stage2::MemoryType::write_back)
                break; // a region of devices'
            const u64 size = page->page_bytes - at % page->page_bytes;
            bytes += std::min(size, end - at);
            at += size;
        }
    }
    current_ = bytes >> page_shift;
    built_tables_ = domain_->stage2().tables();
    set_maximum(bytes >> page_shift);
}

void Balloon::set_maximum(u64 frames) {
    // As many tables as that memory in single pages takes, and what mapping others' takes.
    constexpr u64 frames_per_table = 512;
    constexpr u64 spare_tables = 512;
    maximum_.store(frames, std::memory_order_relaxed);
    domain_->stage2().set_table_limit(built_tables_ + frames / frames_per_table + spare_tables);
}

/// Counts one more frame, unless that is too many.
bool Balloon::take_share() {
    u64 have = current_.load(std::memory_order_relaxed);
    while (have < maximum()) {
        if (current_.compare_exchange_weak(have, have + 1))
            return true;
    }
    return false;
}

Status<BalloonError> Balloon::populate(GuestFrame at) {
    auto& table = domain_->stage2();
    if (table.translate(at.address()))
        return Failure{BalloonError::bad_page};
    if (!take_share())
        return Failure{BalloonError::over_limit};
    const auto frame =
        frames_->allocate(mm::FrameOrder::size_4k, mm::FrameType::domain, domain_->id());
    if (!frame) {
        --current_;
        return Failure{BalloonError::no_memory};
    }
    const auto undo = [&](BalloonError error) {
        ensure(frames_->release(frame.value(), 1, domain_->id()).is_ok(), "a frame just taken");
        --current_;
        return Failure{error};
    };
    switch (dma_->map(*domain_, at, frame.value(), Access::read_write)) {
    case Mirrored::done:
        break;
    case Mirrored::refused:
        return undo(BalloonError::no_memory);
    case Mirrored::unknown: // the frame stays the domain's
        return Failure{BalloonError::no_memory};
    }
    const auto mapped = table.map(at.address(),
                                  frame.value().address(),
                                  Bytes{page_size},
                                  Access::all,
                                  stage2::MemoryType::write_back);
    if (mapped)
        return Unit{};
    if (!dma_->unmap(*domain_, at)) // a device might still reach it: the frame stays the domain's
        return Failure{BalloonError::no_memory};
    return undo(mapped.error() == stage2::Error::out_of_frames ? BalloonError::no_memory
                                                               : BalloonError::bad_page);
}

/// Frees what every vCPU has forgotten.
void Balloon::give_back(LeavingFrames& leaving, const domain::Vcpu* self) {
    for (usize i = leaving.size(); i-- > 0;) {
        if (!domain_->grace().has_passed(*domain_, leaving[i].ticket, self))
            continue;
        ensure(frames_->release(leaving[i].frame, 1, domain_->id()).is_ok(),
               "a frame that was leaving");
        leaving.swap_remove(i);
    }
}

Status<BalloonError> Balloon::release(GuestFrame at, const domain::Vcpu* self) {
    const bool room = leaving_.with([this, self](LeavingFrames& leaving) {
        give_back(leaving, self);
        return leaving.size() < leaving.capacity() / 2; // other vCPUs come in between
    });
    if (!room)
        return Failure{BalloonError::again};
    const auto frame = domain_->memory().frame(at, Access::read);
    if (!frame)
        return Failure{BalloonError::bad_page};
    if (const auto begun = frames_->begin_release(frame.value(), domain_->id()); !begun)
        return Failure{begun.error() == mm::FrameError::pinned ? BalloonError::in_use
                                                               : BalloonError::bad_page};
    const auto hidden = domain_->stage2().unmap_page(at.address(), frame.value().address());
    if (!hidden) {
        frames_->keep(frame.value());
        return Failure{hidden.error() == stage2::Error::out_of_frames ? BalloonError::no_memory
                                                                      : BalloonError::bad_page};
    }
    // A frame that a device might still reach is nobody's until the domain is torn down.
    if (!dma_->unmap(*domain_, at))
        return Failure{BalloonError::no_memory};
    leaving_.with([this, self, &frame](LeavingFrames& leaving) {
        const u64 ticket = domain_->grace().ticket(*domain_, self);
        ensure(leaving.push_back({frame.value(), ticket}), "half the room is for fewer vCPUs");
        give_back(leaving, self);
    });
    --current_;
    return Unit{};
}

} // namespace ravelin::hv::grants

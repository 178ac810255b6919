// SPDX-License-Identifier: Apache-2.0
// Contiguous frames, because the builder reads an image as one piece of memory.
#include "hv/life/image.hpp"

namespace ravelin::hv::life {

Status<Problem> StagedImage::load(const wire::control::VmLoad& chunk,
                                  Caller& caller,
                                  Host& host,
                                  mm::FrameAllocator& frames) {
    if (chunk.offset != filled_ || (count_ != 0 && chunk.total != total_))
        return Failure{Problem::bad_request};
    if (count_ == 0) {
        // Rounded up without overflow: the total may be any number.
        const u64 count = chunk.total / page_size + (chunk.total % page_size != 0 ? 1 : 0);
        // Read only when complete, and only its bytes: zeroing all of it would hold everybody up.
        const auto first = frames.allocate_contiguous(
            count, mm::FrameType::cpu, mm::hypervisor_owner, mm::Content::left);
        if (!first)
            return Failure{Problem::no_memory};
        first_ = first.value();
        count_ = count;
        total_ = chunk.total;
    }
    ensure(chunk.length <= total_ - filled_, "the codec bounds a chunk by its image's total");
    const auto into = host.bytes(first_, count_).subspan(filled_, chunk.length);
    if (!caller.copy_in(GuestVirtual{chunk.address}, into))
        return Failure{Problem::bad_address};
    hash_.update(into);
    filled_ += chunk.length;
    return Unit{};
}

std::span<const u8> StagedImage::bytes(Host& host) const {
    if (count_ == 0)
        return {};
    return host.bytes(first_, count_).first(total_);
}

void StagedImage::release(mm::FrameAllocator& frames) {
    if (count_ == 0)
        return;
    ensure(frames.release(first_, count_, mm::hypervisor_owner).is_ok(),
           "an image's frames that were not ours");
    count_ = 0;
}

} // namespace ravelin::hv::life

// SPDX-License-Identifier: Apache-2.0
#include <hv/guest/memory.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace ravelin::hv::guest {

Result<HostPhysical, MemoryError> Memory::locate(GuestPhysical at, Access wanted) const {
    const auto found = table_.translate(at);
    if (!found)
        return Failure{MemoryError::not_mapped};
    if (found->type != stage2::MemoryType::write_back)
        return Failure{MemoryError::not_memory};
    if (!allows(found->access, wanted))
        return Failure{MemoryError::forbidden};
    return found->address;
}

u8* Memory::reach(GuestPhysical at, Access wanted) const {
    const auto found = table_.find_ram(at, wanted);
    return found ? frames_.bytes(HostFrame::of(*found)).data() + found->page_offset() : nullptr;
}

Result<u8*, MemoryError> Memory::reach_or_say(GuestPhysical at, Access wanted) const {
    if (u8* const bytes = reach(at, wanted)) [[likely]]
        return bytes;
    const HostPhysical host = RAVELIN_TRY(locate(at, wanted));
    return frames_.bytes(HostFrame::of(host)).data() + host.page_offset();
}

Status<MemoryError> Memory::read(GuestPhysical from, std::span<u8> destination) const {
    while (!destination.empty()) {
        const u8* const bytes = RAVELIN_TRY(reach_or_say(from, Access::read));
        const usize count = std::min<usize>(page_size - from.page_offset(), destination.size());
        std::memcpy(destination.data(), bytes, count);
        destination = destination.subspan(count);
        from += count;
    }
    return Unit{};
}

Status<MemoryError> Memory::write(GuestPhysical to, std::span<const u8> source) const {
    while (!source.empty()) {
        u8* const bytes = RAVELIN_TRY(reach_or_say(to, Access::write));
        const usize count = std::min<usize>(page_size - to.page_offset(), source.size());
        std::memcpy(bytes, source.data(), count);
        source = source.subspan(count);
        to += count;
    }
    return Unit{};
}

Status<MemoryError> Memory::clear(GuestPhysical to, Bytes size) const {
    for (u64 left = size.raw(); left != 0;) {
        u8* const bytes = RAVELIN_TRY(reach_or_say(to, Access::write));
        const u64 count = std::min<u64>(page_size - to.page_offset(), left);
        std::fill_n(bytes, count, u8{0});
        left -= count;
        to += count;
    }
    return Unit{};
}

Result<HostFrame, MemoryError> Memory::frame(GuestFrame frame, Access wanted) const {
    if (const auto ram = table_.find_ram(frame.address(), wanted)) [[likely]]
        return HostFrame::of(*ram);
    return HostFrame::of(RAVELIN_TRY(locate(frame.address(), wanted)));
}

namespace {

std::atomic_ref<u64> word_at(u8* bytes) {
    // SAFETY: the callers checked that it is aligned, and guest memory holds no object of ours,
    // only bytes.
    return std::atomic_ref{*reinterpret_cast<u64*>(bytes)};
}

} // namespace

Result<u64, MemoryError> Memory::load(GuestPhysical from) const {
    if (!from.is_aligned(sizeof(u64)))
        return Failure{MemoryError::unaligned};
    return word_at(RAVELIN_TRY(reach_or_say(from, Access::read))).load(std::memory_order_relaxed);
}

Result<bool, MemoryError>
Memory::compare_exchange(GuestPhysical at, u64 expected, u64 desired) const {
    if (!at.is_aligned(sizeof(u64)))
        return Failure{MemoryError::unaligned};
    return word_at(RAVELIN_TRY(reach_or_say(at, Access::read_write)))
        .compare_exchange_strong(expected, desired);
}

} // namespace ravelin::hv::guest

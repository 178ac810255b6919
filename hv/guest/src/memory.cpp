// SPDX-License-Identifier: Apache-2.0
#include <hv/guest/memory.hpp>

#include <algorithm>
#include <atomic>

namespace ravelin::hv::guest {

Result<HostPhysical, MemoryError> Memory::locate(GuestPhysical at, Access wanted) const {
    if (const auto ram = table_.find_ram(at, wanted)) [[likely]]
        return *ram;
    const auto found = table_.translate(at);
    if (!found)
        return Failure{MemoryError::not_mapped};
    if (found->type != stage2::MemoryType::write_back)
        return Failure{MemoryError::not_memory};
    if (!allows(found->access, wanted))
        return Failure{MemoryError::forbidden};
    return found->address;
}

Status<MemoryError> Memory::read(GuestPhysical from, std::span<u8> destination) const {
    while (!destination.empty()) {
        const HostPhysical host = RAVELIN_TRY(locate(from, Access::read));
        const auto page = frames_.bytes(HostFrame::of(host)).subspan(host.page_offset());
        const usize count = std::min(page.size(), destination.size());
        std::copy_n(page.begin(), count, destination.begin());
        destination = destination.subspan(count);
        from += count;
    }
    return Unit{};
}

Status<MemoryError> Memory::write(GuestPhysical to, std::span<const u8> source) const {
    while (!source.empty()) {
        const HostPhysical host = RAVELIN_TRY(locate(to, Access::write));
        const auto page = frames_.bytes(HostFrame::of(host)).subspan(host.page_offset());
        const usize count = std::min(page.size(), source.size());
        std::copy_n(source.begin(), count, page.begin());
        source = source.subspan(count);
        to += count;
    }
    return Unit{};
}

Status<MemoryError> Memory::clear(GuestPhysical to, Bytes size) const {
    for (u64 left = size.raw(); left != 0;) {
        const HostPhysical host = RAVELIN_TRY(locate(to, Access::write));
        const auto page = frames_.bytes(HostFrame::of(host)).subspan(host.page_offset());
        const u64 count = std::min<u64>(page.size(), left);
        std::fill_n(page.begin(), count, u8{0});
        left -= count;
        to += count;
    }
    return Unit{};
}

Result<HostFrame, MemoryError> Memory::frame(GuestFrame frame, Access wanted) const {
    return HostFrame::of(RAVELIN_TRY(locate(frame.address(), wanted)));
}

namespace {

u64* word_at(std::span<u8, page_size> page, u64 offset) {
    // SAFETY: the offset is a multiple of eight inside a page-aligned page, and guest memory holds
    // no object of ours, only bytes.
    return reinterpret_cast<u64*>(page.data() + offset);
}

} // namespace

Result<u64, MemoryError> Memory::load(GuestPhysical from) const {
    if (!from.is_aligned(sizeof(u64)))
        return Failure{MemoryError::unaligned};
    const HostPhysical host = RAVELIN_TRY(locate(from, Access::read));
    u64* const word = word_at(frames_.bytes(HostFrame::of(host)), host.page_offset());
    return std::atomic_ref{*word}.load(std::memory_order_relaxed);
}

std::optional<u64> Memory::peek(GuestPhysical from) const {
    const auto host = table_.find_ram(from, Access::read);
    if (!host)
        return std::nullopt;
    u64* const word = word_at(frames_.bytes(HostFrame::of(*host)), host->page_offset());
    return std::atomic_ref{*word}.load(std::memory_order_relaxed);
}

Result<bool, MemoryError>
Memory::compare_exchange(GuestPhysical at, u64 expected, u64 desired) const {
    if (!at.is_aligned(sizeof(u64)))
        return Failure{MemoryError::unaligned};
    const HostPhysical host = RAVELIN_TRY(locate(at, Access::read_write));
    u64* const word = word_at(frames_.bytes(HostFrame::of(host)), host.page_offset());
    return std::atomic_ref{*word}.compare_exchange_strong(expected, desired);
}

} // namespace ravelin::hv::guest

// SPDX-License-Identifier: Apache-2.0
// Event channels without a machine: a domain's shared pages are arrays that tests write to as a
// hostile guest would, and every access outside them ends the test. For tests and the fuzzer of
// hv/events.
#pragma once

#include <base/lock.hpp>
#include <hv/events/channels.hpp>

#include <array>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <memory>

namespace ravelin::test {

using namespace hv;

/// Pages for tables; after `budget` of them there are no more.
class EventPages final : public TableMemory {
  public:
    Result<HostFrame, TableMemoryError> allocate() override {
        if (budget == 0)
            return Failure{TableMemoryError::out_of_frames};
        --budget;
        ++in_use;
        pages_.emplace_back();
        return HostFrame{pages_.size()}; // frame 0 is nobody's
    }
    void release(HostFrame frame) override {
        pages_.at(frame.raw() - 1).fill(~u64{0});
        --in_use;
    }
    TablePage page(HostFrame frame) override { return pages_.at(frame.raw() - 1); }

    u64 budget{1000};
    u64 in_use{};

  private:
    std::deque<std::array<u64, 512>> pages_;
};

/// One domain: its channels, shared_info's words, 8 pages of RAM, 4 vCPUs.
class EventDomain final : public events::Target {
  public:
    static constexpr u64 frames = 8;
    static constexpr u32 vcpus = 4;
    explicit EventDomain(u16 identifier) : id{identifier} {
        channels.with([this](events::Channels& c) { c.initialise(id, pages, *this); });
    }

    u64* pending_word(u32 index) override { return &pending.at(index); }
    u64* mask_word(u32 index) override { return &mask.at(index); }
    void notify(VcpuId vcpu, u64 selected) override {
        __atomic_fetch_or(&selectors.at(vcpu.raw()), selected, __ATOMIC_SEQ_CST);
        notified.at(vcpu.raw()).fetch_add(1);
    }
    std::span<u8, page_size> bytes(HostFrame frame) override {
        // SAFETY: bytes may alias any word.
        return std::span<u8, page_size>{reinterpret_cast<u8*>(ram.at(frame.raw()).data()),
                                        page_size};
    }
    /// A word of a page as the guest reads and writes it.
    std::atomic_ref<u32> word(u64 frame, u32 index) {
        return std::atomic_ref{ram.at(frame).at(index)};
    }
    /// The event word of a port whose page is in place 1 and up.
    std::atomic_ref<u32> event(u32 port) {
        return word(1 + port / events::Fifo::words_per_page, port % events::Fifo::words_per_page);
    }
    /// Control blocks of all vCPUs in frame 0, event words from frame 1 on.
    void use_fifo(u32 event_pages = 1) {
        channels.with([&](events::Channels& c) {
            for (u32 i = 0; i < vcpus; ++i)
                (void)c.set_control_block(VcpuId{i},
                                          {HostFrame{0}, static_cast<u16>(i * 128), true});
            for (u64 i = 0; i < event_pages; ++i)
                (void)c.add_event_page(HostFrame{1 + i});
        });
    }
    /// Frames beyond those the channels were told of, and so not theirs to write.
    [[nodiscard]] bool untouched(u64 from) const {
        for (u64 i = from; i < frames; ++i)
            for (const u32 each : ram[i])
                if (each != 0)
                    return false;
        return true;
    }

    DomainId id;
    EventPages pages;
    std::array<u64, 64> pending{};
    std::array<u64, 64> mask{};
    std::array<u64, vcpus> selectors{};
    std::array<std::atomic<u32>, vcpus> notified{};
    std::array<std::array<u32, events::Fifo::words_per_page>, frames> ram{};
    Locked<events::Channels> channels;
};

/// Both domains' channels, locked in their order.
template <typename F> auto with_both(EventDomain& one, EventDomain& other, F&& body) {
    const bool first = one.id < other.id;
    return (first ? one : other).channels.with([&](events::Channels& a) {
        return (first ? other : one).channels.with([&](events::Channels& b) {
            return first ? body(a, b) : body(b, a);
        });
    });
}

} // namespace ravelin::test

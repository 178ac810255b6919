// SPDX-License-Identifier: Apache-2.0
// The FIFO ABI: for each vCPU sixteen queues of events, linked through event words in the guest's
// own pages. The guest takes events off at the head; the hypervisor links new ones behind the tail
// that it remembers itself, and never follows a link of the guest's. [xen/event_channel.h, FIFO
// ABI]
#pragma once

#include <hv/events/port.hpp>
#include <hv/events/target.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::events {

/// Not thread-safe: under its domain's lock.
class Fifo {
  public:
    static constexpr u32 max_vcpus = 16;
    static constexpr u32 priorities = 16;
    static constexpr u32 words_per_page = page_size / sizeof(u32);
    static constexpr u32 most_pages = PortTable::most_ports / words_per_page;
    static constexpr u8 link_bits = 17;
    static constexpr usize control_block_size = 8 + priorities * sizeof(u32);

    [[nodiscard]] bool is_active() const { return active_; }
    /// How many frames reset() would unpin.
    [[nodiscard]] u32 pinned_frames() const {
        u32 count = page_count_;
        for (const Queues& own : queues_)
            count += own.control ? 1u : 0u;
        return count;
    }
    /// A vCPU's control block; the first one makes the ABI this domain's.
    [[nodiscard]] Status<Error> set_control_block(VcpuId vcpu, SharedPlace place);
    /// The next page of event words; the number of its first port.
    [[nodiscard]] Result<u32, Error> add_page(HostFrame frame);
    /// Forgets everything; unpin(frame) for each frame that was registered.
    template <typename F> void reset(F&& unpin) {
        for (u32 i = 0; i < page_count_; ++i)
            unpin(pages_[i]);
        for (Queues& own : queues_) {
            if (own.control)
                unpin(own.control->frame);
            own = {};
        }
        active_ = false;
        page_count_ = 0;
    }

    /// Marks a port pending and, unless it is masked or linked already, queues it. Changes
    /// `port`'s record of where.
    void raise(u32 number, Port& port, Target& target);
    void clear_pending(u32 number, Target& target);
    [[nodiscard]] bool is_pending(u32 number, Target& target) const;
    /// Clears the mask; true when the event is pending.
    [[nodiscard]] bool unmask(u32 number, Target& target);
    /// Whether the guest has not taken the event off its queue.
    [[nodiscard]] bool is_linked(u32 number, Target& target) const;

  private:
    struct Queues {
        std::optional<SharedPlace> control;
        std::array<u32, priorities> tail{};
    };
    [[nodiscard]] u32* word(u32 number, Target& target) const;

    bool active_{};
    u32 page_count_{};
    std::array<HostFrame, most_pages> pages_{};
    std::array<Queues, max_vcpus> queues_{};
};

} // namespace ravelin::hv::events

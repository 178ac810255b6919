// SPDX-License-Identifier: Apache-2.0
#include "hv/events/fifo.hpp"

namespace ravelin::hv::events {
namespace {

// An event word. [xen/event_channel.h]
constexpr u32 pending = 1u << 31;
constexpr u32 masked = 1u << 30;
constexpr u32 linked = 1u << 29;
constexpr u32 busy = 1u << 28;
constexpr u32 link_mask = (1u << Fifo::link_bits) - 1;

// A control block: the ready bits, a reserved word, the heads.
constexpr usize first_head = 2;

u32 load(const u32* word) {
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
u32 set_bits(u32* word, u32 bits) {
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}
u32 clear_bits(u32* word, u32 bits) {
    return __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

/// Links `next` behind the word of a tail, if the guest has not taken that off meanwhile. Of a
/// linked event a guest may change MASKED, PENDING and, last, LINKED; with BUSY set it may not
/// unmask, so that few tries do. One that keeps writing loses its events and nothing else.
bool link_behind(u32* tail, u32 next) {
    constexpr unsigned most_tries = 5;
    u32 seen = load(tail);
    if ((seen & linked) == 0)
        return false;
    for (unsigned tries = 0; tries < most_tries && (seen & linked) != 0; ++tries) {
        const u32 wanted = (seen & ~(busy | link_mask)) | next;
        if (__atomic_compare_exchange_n(
                tail, &seen, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        seen = set_bits(tail, busy) | busy;
    }
    clear_bits(tail, busy);
    return (seen & linked) != 0; // the guest broke the rules: as if it had been linked
}

} // namespace

u32* Fifo::word(u32 number, Target& target) const {
    const u32 page = number / words_per_page;
    if (page >= page_count_)
        return nullptr;
    // SAFETY: a page of the guest's RAM, aligned as such, used by atomic operations only.
    return reinterpret_cast<u32*>(target.bytes(pages_[page]).data()) + number % words_per_page;
}

Status<Error> Fifo::set_control_block(VcpuId vcpu, SharedPlace place) {
    Queues& own = queues_[vcpu.raw()];
    if (own.control)
        return Failure{Error::invalid};
    own.control = place;
    active_ = true;
    return Unit{};
}

Result<u32, Error> Fifo::add_page(HostFrame frame) {
    if (!active_)
        return Failure{Error::no_fifo};
    if (page_count_ == most_pages)
        return Failure{Error::out_of_ports};
    pages_[page_count_] = frame;
    return page_count_++ * words_per_page;
}

void Fifo::raise(u32 number, Port& port, Target& target) {
    u32* const event = word(number, target);
    if (event == nullptr) {
        port.pending = 1;
        return;
    }
    // A masked event is queued by unmask(); a linked one the guest finds pending when it takes it.
    if ((set_bits(event, pending) & (masked | linked)) != 0)
        return;
    Queues& own = queues_[port.vcpu];
    if (!own.control || (set_bits(event, linked) & linked) != 0)
        return;
    // An event that was a tail is one no more: nothing may be linked behind it where it was.
    u32& old_tail = queues_[port.queue_vcpu].tail[port.queue_priority];
    if (old_tail == number)
        old_tail = 0;
    port.queue_vcpu = port.vcpu;
    port.queue_priority = port.priority;

    u32& tail = own.tail[port.priority];
    const bool joined = tail != 0 && link_behind(word(tail, target), number);
    tail = number;
    if (joined)
        return;
    // SAFETY: init_control checked that the block lies in one page of the guest's RAM, aligned.
    u32* const control =
        reinterpret_cast<u32*>(target.bytes(own.control->frame).data() + own.control->offset);
    __atomic_store_n(control + first_head + port.priority, number, __ATOMIC_SEQ_CST);
    const u32 ready = 1u << port.priority;
    if ((set_bits(control, ready) & ready) == 0)
        target.notify(VcpuId{port.vcpu}, 0);
}

void Fifo::clear_pending(u32 number, Target& target) {
    if (u32* const event = word(number, target))
        clear_bits(event, pending);
}

bool Fifo::is_pending(u32 number, Target& target) const {
    const u32* const event = word(number, target);
    return event != nullptr && (load(event) & pending) != 0;
}

bool Fifo::unmask(u32 number, Target& target) {
    u32* const event = word(number, target);
    return event != nullptr && (clear_bits(event, masked) & pending) != 0;
}

bool Fifo::is_linked(u32 number, Target& target) const {
    const u32* const event = word(number, target);
    return event != nullptr && (load(event) & linked) != 0;
}

} // namespace ravelin::hv::events

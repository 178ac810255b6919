// SPDX-License-Identifier: Apache-2.0
#include "hv/events/port.hpp"

#include <array>

namespace ravelin::hv::events {
namespace {

constexpr u64 count_mask = page_size - 1;
using Words = std::array<u64, 2>;

HostFrame frame_of(u64 entry) {
    return HostFrame::of(HostPhysical{entry});
}

} // namespace

inline u64* PortTable::entry_of(u32 number) const {
    if (entries_ == nullptr || number >= most_ports)
        return nullptr;
    return entries_ + number / ports_per_page;
}

inline u64* PortTable::words_of(u64 entry, u32 number) const {
    const HostFrame frame = frame_of(entry);
    u64* const page =
        linear_ != nullptr ? linear_ + frame.raw() * 512 : memory_->page(frame).data();
    return page + number % ports_per_page * 2;
}

u32 PortTable::used_in_page(u32 number) const {
    const u64* entry = entry_of(number);
    return entry == nullptr ? 0 : static_cast<u32>(*entry & count_mask);
}

Port PortTable::get(u32 number) const {
    // One way out, so that the compiler moves two words and not ten fields.
    static constexpr auto none = std::bit_cast<Words>(Port{});
    const u64* words = none.data();
    if (const u64* const entry = entry_of(number); entry != nullptr && *entry != 0)
        words = words_of(*entry, number);
    return std::bit_cast<Port>(Words{words[0], words[1]});
}

void PortTable::set(u32 number, const Port& port) {
    u64* const place = words_of(*entry_of(number), number);
    const auto words = std::bit_cast<Words>(port);
    place[0] = words[0];
    place[1] = words[1];
}

void PortTable::free(u32 number) {
    const Port old = get(number);
    Port none{};
    none.queue_vcpu = old.queue_vcpu;
    none.queue_priority = old.queue_priority;
    set(number, none);
    --*entry_of(number);
}

Status<Error> PortTable::occupy(u32 number, const Port& port) {
    const auto allocate = [this]() -> Result<HostFrame, Error> {
        const auto frame = memory_->allocate();
        if (!frame)
            return Failure{Error::out_of_frames};
        return frame.value();
    };
    if (!root_) {
        root_ = RAVELIN_TRY(allocate());
        entries_ = memory_->page(*root_).data();
    }
    u64* const entry = entry_of(number);
    if (*entry == 0)
        *entry = RAVELIN_TRY(allocate()).address().raw();
    const Port old = get(number);
    Port taken = port;
    taken.queue_vcpu = old.queue_vcpu;
    taken.queue_priority = old.queue_priority;
    ++*entry;
    set(number, taken);
    return Unit{};
}

std::optional<u32> PortTable::next_used(u32 number) const {
    for (; number < most_ports; number = (number / ports_per_page + 1) * ports_per_page) {
        if (used_in_page(number) == 0)
            continue;
        const u32 end = (number / ports_per_page + 1) * ports_per_page;
        for (u32 each = number; each < end; ++each) {
            if (get(each).kind != PortKind::free)
                return each;
        }
    }
    return std::nullopt;
}

void PortTable::trim() {
    if (!root_)
        return;
    bool used = false;
    for (u64& entry : memory_->page(*root_)) {
        if (entry != 0 && (entry & count_mask) == 0) {
            memory_->release(frame_of(entry));
            entry = 0;
        }
        used = used || entry != 0;
    }
    if (used)
        return;
    memory_->release(*root_);
    root_.reset();
    entries_ = nullptr;
}

} // namespace ravelin::hv::events

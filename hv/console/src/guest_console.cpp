// SPDX-License-Identifier: Apache-2.0
// The ring is two byte arrays and four free-running indices, each written by one side. An index of
// the guest's that lies outside its array is answered by starting over where it points: what the
// guest meant cannot be known, and its console goes on.
#include "hv/console/guest_console.hpp"

#include <atomic>
#include <cstddef>

extern "C" {
#include <xen/io/console.h>
}

namespace ravelin::hv::console {
namespace {

constexpr usize input_at = offsetof(xencons_interface, in);
constexpr usize output_at = offsetof(xencons_interface, out);
constexpr u32 input_ring = sizeof(xencons_interface::in);
constexpr u32 output_ring = sizeof(xencons_interface::out);
constexpr usize in_cons = offsetof(xencons_interface, in_cons);
constexpr usize in_prod = offsetof(xencons_interface, in_prod);
constexpr usize out_cons = offsetof(xencons_interface, out_cons);
constexpr usize out_prod = offsetof(xencons_interface, out_prod);
static_assert(sizeof(xencons_interface) <= page_size && in_cons == 3072 && out_prod == 3084);
static_assert((input_ring & (input_ring - 1)) == 0 && (output_ring & (output_ring - 1)) == 0);

std::atomic_ref<u32> index(u8* page, usize at) {
    // SAFETY: a naturally aligned word of a page that stays; the guest writes it at any time.
    return std::atomic_ref<u32>{*reinterpret_cast<u32*>(page + at)};
}

std::atomic_ref<u8> byte(u8* page, usize at) {
    return std::atomic_ref<u8>{page[at]};
}

} // namespace

void GuestConsole::attach(std::span<u8, page_size> page) {
    const LockGuard guard{lock_};
    page_ = page.data();
}

void GuestConsole::detach() {
    const LockGuard guard{lock_};
    page_ = nullptr;
}

void GuestConsole::echo_to(Echo& echo, EchoStyle style, std::string_view name) {
    const LockGuard guard{lock_};
    echo_ = &echo;
    style_ = style;
    line_start_ = std::min(name.size(), max_name);
    std::copy_n(name.begin(), line_start_, line_.begin());
    line_[line_start_++] = '|';
    line_[line_start_++] = ' ';
    line_size_ = line_start_;
}

void GuestConsole::say(std::span<const u8> text) {
    const LockGuard guard{lock_};
    put(text);
}

Notify GuestConsole::serve() {
    const LockGuard guard{lock_};
    const bool taken = take_output();
    return give_input() || taken ? Notify::yes : Notify::no;
}

GuestConsole::Typed GuestConsole::type(std::span<const u8> bytes) {
    const LockGuard guard{lock_};
    const u32 count = static_cast<u32>(std::min<usize>(bytes.size(), input_size - input_count_));
    for (u32 i = 0; i < count; ++i)
        input_[(input_first_ + input_count_++) % input_size] = bytes[i];
    return {count, give_input() ? Notify::yes : Notify::no};
}

usize GuestConsole::read(u64& offset, std::span<u8> destination) {
    const LockGuard guard{lock_};
    return history_.read(offset, destination);
}

bool GuestConsole::take_output() {
    if (page_ == nullptr)
        return false;
    const u32 produced = index(page_, out_prod).load(std::memory_order_acquire);
    if (produced == output_consumed_)
        return false;
    if (produced - output_consumed_ > output_ring)
        output_consumed_ = produced;
    while (output_consumed_ != produced) {
        std::array<u8, 128> piece{};
        usize size = 0;
        while (size < piece.size() && output_consumed_ != produced)
            piece[size++] = byte(page_, output_at + output_consumed_++ % output_ring)
                                .load(std::memory_order_relaxed);
        put(std::span{piece}.first(size));
    }
    index(page_, out_cons).store(output_consumed_, std::memory_order_release);
    return true;
}

bool GuestConsole::give_input() {
    if (page_ == nullptr || input_count_ == 0)
        return false;
    const u32 consumed = index(page_, in_cons).load(std::memory_order_acquire);
    if (input_produced_ - consumed > input_ring)
        input_produced_ = consumed;
    const u32 count = std::min(input_ring - (input_produced_ - consumed), input_count_);
    for (u32 i = 0; i < count; ++i) {
        byte(page_, input_at + input_produced_++ % input_ring)
            .store(input_[input_first_], std::memory_order_relaxed);
        input_first_ = (input_first_ + 1) % input_size;
    }
    input_count_ -= count;
    index(page_, in_prod).store(input_produced_, std::memory_order_release);
    return count != 0;
}

void GuestConsole::put(std::span<const u8> text) {
    for (const u8 one : text)
        history_.append(one);
    if (echo_ == nullptr)
        return;
    // SAFETY: char may alias any byte.
    if (style_ == EchoStyle::plain)
        return echo_->echo({reinterpret_cast<const char*>(text.data()), text.size()});
    for (const u8 one : text)
        put_in_line(static_cast<char>(one));
}

void GuestConsole::put_in_line(char c) {
    if (c == '\r')
        return;
    if (c == '\n')
        return end_line();
    // A guest must not move the cursor over what others, or the hypervisor, said.
    const bool harmless = (c >= ' ' && c <= '~') || c == '\t';
    line_[line_size_++] = harmless ? c : '?';
    if (line_size_ + 1 == line_.size())
        end_line();
}

void GuestConsole::end_line() {
    line_[line_size_++] = '\n';
    echo_->echo({line_.data(), line_size_});
    line_size_ = line_start_;
}

} // namespace ravelin::hv::console

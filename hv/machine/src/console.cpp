// SPDX-License-Identifier: Apache-2.0
// COM1 (a 16550) and the ring behind it. [PC16550D data sheet 8.0]
#include "hv/machine/console.hpp"

#include "hv/machine/instructions.hpp"

#include <base/lock.hpp>

#include <algorithm>

namespace ravelin::hv::machine {
namespace {

constexpr u16 com1 = 0x3f8;
constexpr u16 interrupt_enable = com1 + 1;
constexpr u16 fifo_control = com1 + 2;
constexpr u16 line_control = com1 + 3;
constexpr u16 modem_control = com1 + 4;
constexpr u16 line_status = com1 + 5;
constexpr u8 data_ready = 0x01;
constexpr u8 holding_empty = 0x20;
constexpr u8 nobody_there = 0xff;

constexpr usize ring_size = 64 * 1024;

/// Written under console_lock by whoever prints; read under it by log_read.
struct State {
    std::array<u8, ring_size> ring{};
    u64 said{}; ///< bytes ever written
    bool port_present{};
    bool port_stuck{}; ///< nobody takes the characters: they go to the ring only
};
State state;
SpinLock console_lock;
std::atomic<bool> seized{false};

void put_port(char c) {
    // A port that never empties must not hang the machine: it is waited for once, up to 5 s at
    // 1 us an access, and afterwards only looked at until it empties again. A slow reader of an
    // emulated port loses nothing.
    constexpr int patience = 5'000'000;
    const auto empty = [] { return (in8(line_status) & holding_empty) != 0; };
    int tries = state.port_stuck ? 1 : patience;
    while (!empty())
        if (--tries == 0) {
            state.port_stuck = true;
            return;
        }
    state.port_stuck = false;
    out8(com1, static_cast<u8>(c));
}

class ConsoleSink final : public TextSink {
  public:
    void put(char c) override {
        state.ring[state.said++ % ring_size] = static_cast<u8>(c);
        if (!state.port_present)
            return;
        if (c == '\n')
            put_port('\r');
        put_port(c);
    }
};

class ConsoleGuard {
  public:
    ConsoleGuard() : held_{!seized.load(std::memory_order_relaxed)} {
        if (held_)
            console_lock.acquire();
    }
    ~ConsoleGuard() {
        if (held_)
            console_lock.release();
    }
    ConsoleGuard(const ConsoleGuard&) = delete;
    ConsoleGuard& operator=(const ConsoleGuard&) = delete;

  private:
    bool held_;
};

} // namespace

void open_console() {
    out8(interrupt_enable, 0);
    out8(line_control, 0x83); // DLAB, 8 bits
    out8(com1, 1);            // 115200 baud
    out8(interrupt_enable, 0);
    out8(line_control, 0x03); // 8N1
    out8(fifo_control, 0x07); // FIFOs on and empty
    out8(modem_control, 0x03);
    state.port_present = in8(line_status) != nobody_there;
}

void write_console(std::string_view text) {
    const ConsoleGuard guard;
    ConsoleSink sink;
    for (const char c : text)
        sink.put(c);
}

void log_line(std::string_view format, std::span<const FormatArgument> arguments) {
    const ConsoleGuard guard;
    ConsoleSink sink;
    format_to(sink, "ravelin: ", {});
    format_to(sink, format, arguments);
    sink.put('\n');
}

bool console_has_input() {
    return state.port_present && (in8(line_status) & data_ready) != 0;
}

std::optional<char> read_console() {
    const ConsoleGuard guard;
    if (!console_has_input())
        return std::nullopt;
    return static_cast<char>(in8(com1));
}

usize read_console_history(u64& offset, std::span<u8> destination) {
    const ConsoleGuard guard;
    const u64 oldest = state.said > ring_size ? state.said - ring_size : 0;
    offset = std::clamp(offset, oldest, state.said);
    const usize count = std::min<u64>(destination.size(), state.said - offset);
    for (usize i = 0; i < count; ++i)
        destination[i] = state.ring[(offset + i) % ring_size];
    return count;
}

void seize_console() {
    seized.store(true, std::memory_order_relaxed);
}

} // namespace ravelin::hv::machine

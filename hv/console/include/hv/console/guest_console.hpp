// SPDX-License-Identifier: Apache-2.0
// One guest's console: the ring in a page the guest shares and writes at any time, the history of
// what it said, the queue of what was typed. Trusts nothing in the page. [xen/io/console.h]
#pragma once

#include <base/lock.hpp>
#include <base/types.hpp>
#include <hv/console/history.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace ravelin::hv::console {

/// Whether the guest waits for an event: ring indices moved.
enum class Notify : u8 { no, yes };

/// Where what a guest says is repeated. Called with the console's lock held.
class Echo {
  public:
    virtual void echo(std::string_view text) = 0;

  protected:
    ~Echo() = default;
};

/// How a guest's words reach an echo: as they are, or in lines that begin with its name.
enum class EchoStyle : u8 { plain, named_lines };

/// Any CPU; every member takes the console's lock, the innermost.
class GuestConsole {
  public:
    static constexpr usize history_size = 16 * 1024;
    static constexpr usize input_size = 2048;
    static constexpr usize max_name = 32;

    GuestConsole() = default;
    GuestConsole(const GuestConsole&) = delete;
    GuestConsole& operator=(const GuestConsole&) = delete;

    /// The page with the ring; it stays until detach().
    void attach(std::span<u8, page_size> page);
    /// The page is touched no more.
    void detach();
    /// `name` keeps max_name characters.
    void echo_to(Echo& echo, EchoStyle style, std::string_view name);

    /// Text that did not come through the ring.
    void say(std::span<const u8> text);
    /// Takes what the guest wrote to its ring, and gives it what was typed. At most one ring's
    /// worth: a guest that goes on writing does not keep this CPU.
    [[nodiscard]] Notify serve();
    struct Typed {
        u32 taken; ///< of the bytes; the rest did not fit
        Notify notify;
    };
    /// Queues what the operator typed, and gives the guest what it has room for.
    [[nodiscard]] Typed type(std::span<const u8> bytes);
    /// History::read() of what the guest said.
    [[nodiscard]] usize read(u64& offset, std::span<u8> destination);

  private:
    void put(std::span<const u8> text);
    void put_in_line(char c);
    void end_line();
    [[nodiscard]] bool take_output();
    [[nodiscard]] bool give_input();

    SpinLock lock_;
    History<history_size> history_;
    std::array<u8, input_size> input_{};
    u32 input_first_{};
    u32 input_count_{};
    u8* page_{};            ///< of page_size bytes, shared with the guest
    u32 output_consumed_{}; ///< ours; the guest is told
    u32 input_produced_{};  ///< ours; the guest is told
    Echo* echo_{};
    EchoStyle style_{EchoStyle::plain};
    std::array<char, 160> line_{}; ///< of named lines: the name, then what waits for its end
    usize line_start_{};
    usize line_size_{};
};

} // namespace ravelin::hv::console

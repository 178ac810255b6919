// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/terminal.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <string_view>
#include <termios.h>
#include <unistd.h>

namespace ravelin::tools {
namespace {

constexpr char leave_key = 0x1d; // Ctrl-]

/// Keys come one by one and unechoed while this lives; nothing when standard input is no terminal.
class RawTerminal {
  public:
    RawTerminal() {
        changed_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (!changed_)
            return;
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
        raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal() {
        if (changed_)
            ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }

  private:
    termios before_{};
    bool changed_{false};
};

} // namespace

Attached attach_terminal(Console& console, const std::function<bool()>& finished) {
    const RawTerminal raw;
    console.set_echo(Console::Echo::shown);
    bool input_open = true;
    while (!console.closed()) {
        if (finished && finished())
            return Attached::finished;
        pollfd input{input_open ? STDIN_FILENO : -1, POLLIN, 0};
        if (::poll(&input, 1, 200) <= 0 || input.revents == 0)
            continue;
        std::array<char, 256> keys{};
        const ssize_t got = ::read(STDIN_FILENO, keys.data(), keys.size());
        if (got <= 0) {
            input_open = got < 0 && errno == EINTR;
            continue;
        }
        const std::string_view typed{keys.data(), static_cast<std::size_t>(got)};
        if (const std::size_t leave = typed.find(leave_key); leave != std::string_view::npos)
            return Attached::left;
        console.send(typed);
    }
    return Attached::machine_ended;
}

} // namespace ravelin::tools

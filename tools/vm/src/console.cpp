// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "console.hpp"

#include "tools/vm/error.hpp"

#include <array>
#include <cstdio>
#include <poll.h>
#include <string>
#include <termios.h>
#include <unistd.h>

namespace ravelin::vm {
namespace {

constexpr char leave_key = 0x1d; // Ctrl-]

/// Keys come one by one and unechoed while this lives; nothing when standard input is no terminal.
class RawTerminal {
  public:
    RawTerminal() : changed_{tcgetattr(STDIN_FILENO, &before_) == 0} {
        if (!changed_)
            return;
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
        raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    ~RawTerminal() {
        if (changed_)
            tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

  private:
    termios before_{};
    bool changed_;
};

/// Up to 50 ms for a key; what was typed is appended. False once there is no more to come.
bool wait_for_keys(std::string& typed) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, 50) <= 0)
        return true;
    std::array<char, 256> keys{};
    const ssize_t got = read(STDIN_FILENO, keys.data(), keys.size());
    if (got <= 0)
        return false;
    typed.append(keys.data(), static_cast<std::size_t>(got));
    return true;
}

} // namespace

u64 show_console(Hypervisor& hypervisor, DomainId domain, u64 offset) {
    while (true) {
        const ConsolePiece piece = hypervisor.console_read(domain, offset);
        if (piece.offset != offset)
            std::fprintf(stderr,
                         "\n[%llu bytes were overwritten]\n",
                         static_cast<unsigned long long>(piece.offset - offset));
        if (piece.text.empty())
            return piece.offset;
        std::fwrite(piece.text.data(), 1, piece.text.size(), stdout);
        std::fflush(stdout);
        offset = piece.offset + piece.text.size();
    }
}

void type_at_console(Hypervisor& hypervisor, DomainId domain, std::string text) {
    constexpr useconds_t step_us = 20'000;
    constexpr useconds_t limit_us = 10'000'000;
    for (useconds_t waited = 0; !text.empty();) {
        const usize taken = hypervisor.console_write(domain, text);
        text.erase(0, taken);
        if (taken != 0) {
            waited = 0;
            continue;
        }
        if (waited >= limit_us)
            throw VmError{"domain " + std::to_string(domain.raw()) +
                          " does not read its console; not typed: " + text};
        usleep(step_us);
        waited += step_us;
    }
}

void attach_console(Hypervisor& hypervisor, DomainId domain) {
    const RawTerminal raw;
    u64 offset = 0;
    std::string typed;
    bool input_open = true;
    while (true) {
        const bool ended = hypervisor.info(domain).summary.end != wire::control::VmEnd::none;
        offset = show_console(hypervisor, domain, offset);
        if (ended)
            return;
        if (input_open)
            input_open = wait_for_keys(typed);
        else
            usleep(50'000);
        if (const auto leave = typed.find(leave_key); leave != std::string::npos)
            return;
        // What the guest's queue does not take now waits.
        if (!typed.empty())
            typed.erase(0, hypervisor.console_write(domain, typed));
    }
}

} // namespace ravelin::vm

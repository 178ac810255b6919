// SPDX-License-Identifier: Apache-2.0
// See the header. Matching is line by line: std::regex recurses with the length of its subject.
#include "tools/server/console.hpp"

#include "tools/server/deadline.hpp"
#include "tools/server/error.hpp"
#include "tools/server/process.hpp"

#include <array>
#include <cctype>
#include <iostream>
#include <regex>
#include <sys/socket.h>

namespace ravelin::tools {

void TextCleaner::feed(std::string_view raw, std::string& clean) {
    for (const char c : raw) {
        switch (state_) {
        case State::text:
            if (c == '\x1b')
                state_ = State::escape;
            else if (c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20)
                clean += c;
            break;
        case State::escape:
            state_ = c == '[' ? State::sequence : State::text;
            break;
        case State::sequence:
            if (c >= '@' && c <= '~')
                state_ = State::text;
            break;
        }
    }
}

Console::Console(FileDescriptor socket, const std::filesystem::path& log, Echo echo)
    : socket_{std::move(socket)}, log_{log, std::ios::binary}, echo_{echo}, reader_{[this] {
          read_loop();
      }} {}

Console::~Console() {
    socket_.shut_down();
    reader_.join();
}

void Console::read_loop() {
    std::array<char, 4096> buffer{};
    while (true) {
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR)
            continue;
        const std::scoped_lock guard{lock_};
        if (got <= 0) {
            closed_ = true;
            changed_.notify_all();
            return;
        }
        const std::string_view raw{buffer.data(), static_cast<std::size_t>(got)};
        log_ << raw << std::flush;
        const std::size_t before = text_.size();
        cleaner_.feed(raw, text_);
        if (echo_ == Echo::shown)
            std::cout << std::string_view{text_}.substr(before) << std::flush;
        changed_.notify_all();
    }
}

bool Console::find(const std::string& pattern, std::vector<std::string>& groups) {
    const std::regex expression{pattern};
    std::size_t start = consumed_;
    while (start < text_.size()) {
        const std::size_t newline = text_.find('\n', start);
        const std::size_t end = newline == std::string::npos ? text_.size() : newline;
        const std::string line = text_.substr(start, end - start);
        std::smatch match;
        if (std::regex_search(line, match, expression)) {
            groups.assign(match.begin(), match.end());
            consumed_ = start + static_cast<std::size_t>(match.position(0) + match.length(0));
            return true;
        }
        if (newline == std::string::npos)
            break;
        start = newline + 1;
        // Whole lines are not looked at again by this wait, unless it fails: the caller may ask for
        // another pattern.
        consumed_ = start;
    }
    return false;
}

std::vector<std::string> Console::wait_for(const std::string& pattern,
                                           std::chrono::milliseconds timeout) {
    std::vector<std::string> groups;
    std::unique_lock guard{lock_};
    const Deadline deadline{timeout, emulator_};
    const std::size_t at_call = consumed_;
    while (!find(pattern, groups)) {
        const auto left = deadline.left();
        const bool late = left == std::chrono::milliseconds{};
        if (!late && !closed_) {
            changed_.wait_for(guard, left);
            continue;
        }
        if (find(pattern, groups))
            break;
        consumed_ = at_call;
        std::string message =
            late ? "nothing matching /" + pattern + "/ came within " +
                       std::to_string(timeout.count() / 1000) + " s"
                 : "the machine ended before anything matching /" + pattern + "/ came";
        message += "; the last lines of its console:\n" + last_lines(text_);
        if (!late && explanation_)
            message += "QEMU said:\n" + last_lines(explanation_());
        throw ServerError{message};
    }
    return groups;
}

void Console::send(std::string_view text) {
    const std::vector<u8> bytes{text.begin(), text.end()};
    write_all(socket_, bytes);
}

std::string Console::text() const {
    const std::scoped_lock guard{lock_};
    return text_;
}

bool Console::closed() const {
    const std::scoped_lock guard{lock_};
    return closed_;
}

bool Console::wait_until_closed(std::chrono::milliseconds timeout) {
    std::unique_lock guard{lock_};
    const Deadline deadline{timeout, emulator_};
    while (!closed_) {
        const auto left = deadline.left();
        if (left == std::chrono::milliseconds{})
            return false;
        changed_.wait_for(guard, left);
    }
    return true;
}

void Console::set_echo(Echo echo) {
    const std::scoped_lock guard{lock_};
    echo_ = echo;
}

void Console::set_emulator(pid_t emulator) {
    const std::scoped_lock guard{lock_};
    emulator_ = emulator;
}

void Console::explain_end(std::function<std::string()> explanation) {
    const std::scoped_lock guard{lock_};
    explanation_ = std::move(explanation);
}

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/console_link.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace ravelin::attest {
namespace {

constexpr std::string_view from_domain = "@ravelin ";
constexpr std::string_view from_relay = "@answer ";
constexpr usize data_per_line = 96; // characters of base64; terminals take at least 255 a line
constexpr usize longest_line = 4096;
constexpr usize largest_message = usize{4} << 20;
constexpr std::chrono::seconds patience{60};

/// The rest of a line behind the first `start` in it: something else may stand before it.
std::optional<std::string_view> rest_after(std::string_view line, std::string_view start) {
    const std::size_t at = line.find(start);
    if (at == std::string_view::npos)
        return std::nullopt;
    std::string_view rest = line.substr(at + start.size());
    while (rest.ends_with('\r'))
        rest.remove_suffix(1);
    return rest;
}

/// "word rest" → rest, when the word is that one.
std::optional<std::string_view> after_word(std::string_view text, std::string_view word) {
    if (!text.starts_with(word) || text.size() <= word.size() || text[word.size()] != ' ')
        return std::nullopt;
    return text.substr(word.size() + 1);
}

std::vector<std::string> lines_of(const std::string& body, std::string_view start) {
    const std::string encoded = to_base64(Bytes{body.begin(), body.end()});
    std::vector<std::string> lines;
    for (usize i = 0; i < encoded.size(); i += data_per_line)
        lines.push_back(std::string{start} + "data " + encoded.substr(i, data_per_line) + "\n");
    lines.push_back(std::string{start} + "end\n");
    return lines;
}

class ConsoleLink final : public VerifierLink {
  public:
    ConsoleLink(int input, int output) : input_{input}, output_{output} {
        termios settings{};
        if (tcgetattr(input_, &settings) != 0)
            return;
        before_ = settings;
        settings.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
        tcsetattr(input_, TCSANOW, &settings);
    }
    ~ConsoleLink() override {
        if (before_)
            tcsetattr(input_, TCSANOW, &*before_);
    }

    Result<Answer, std::string> post(const std::string& target, const std::string& body) override {
        (void)RAVELIN_TRY(write_line(std::string{from_domain} + "post " + target + "\n"));
        for (const std::string& line : lines_of(body, from_domain))
            (void)RAVELIN_TRY(write_line(line));
        return read_answer();
    }

  private:
    Result<Answer, std::string> read_answer() {
        Answer answer{};
        std::string encoded;
        for (;;) {
            const std::string line = RAVELIN_TRY(read_line());
            const auto rest = rest_after(line, from_relay);
            if (!rest)
                continue;
            (void)RAVELIN_TRY(write_line(std::string{from_domain} + "next\n"));
            if (const auto status = after_word(*rest, "status"))
                answer.status = static_cast<unsigned>(std::atoi(std::string{*status}.c_str()));
            else if (const auto data = after_word(*rest, "data"))
                encoded += *data;
            else
                break;
            if (encoded.size() > largest_message)
                return Failure{std::string{"the console's answer does not end"}};
        }
        const auto bytes = from_base64(encoded);
        if (!bytes)
            return Failure{std::string{"the console's answer is damaged"}};
        answer.body.assign(bytes->begin(), bytes->end());
        return answer;
    }

    Status<std::string> write_line(std::string_view line) const {
        while (!line.empty()) {
            const ssize_t written = write(output_, line.data(), line.size());
            if (written <= 0)
                return Failure{std::string{"the console cannot be written to"}};
            line.remove_prefix(static_cast<usize>(written));
        }
        return Unit{};
    }

    Result<std::string, std::string> read_line() {
        const auto end = std::chrono::steady_clock::now() + patience;
        std::string line;
        for (;;) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                end - std::chrono::steady_clock::now());
            pollfd ready{.fd = input_, .events = POLLIN, .revents = 0};
            char c = 0;
            if (left.count() <= 0 || poll(&ready, 1, static_cast<int>(left.count())) <= 0 ||
                read(input_, &c, 1) != 1)
                return Failure{std::string{"nobody answers on the console"}};
            if (c == '\n')
                return line;
            if (line.size() < longest_line)
                line += c;
        }
    }

    int input_;
    int output_;
    std::optional<termios> before_;
};

} // namespace

std::unique_ptr<VerifierLink> connect_console(int input, int output) {
    return std::make_unique<ConsoleLink>(input, output);
}

std::string ConsoleRelay::feed(std::string_view printed) {
    std::string typed;
    for (const char c : printed) {
        if (c != '\n') {
            if (unfinished_.size() < longest_line)
                unfinished_ += c;
            continue;
        }
        typed += take_line(unfinished_);
        unfinished_.clear();
    }
    return typed;
}

std::string ConsoleRelay::take_line(std::string_view line) {
    const auto rest = rest_after(line, from_domain);
    if (!rest)
        return {};
    if (const auto target = after_word(*rest, "post")) {
        target_ = *target;
        body_.clear();
        answer_.clear();
        return {};
    }
    if (const auto data = after_word(*rest, "data")) {
        if (body_.size() < largest_message)
            body_ += *data;
        return {};
    }
    if (*rest == "end" && !target_.empty())
        carry_on();
    else if (*rest != "next")
        return {};
    if (answer_.empty())
        return {};
    std::string next = std::move(answer_.front());
    answer_.pop_front();
    return next;
}

void ConsoleRelay::carry_on() {
    const auto bytes = from_base64(body_);
    VerifierLink::Answer answer{400, "{\"error\":\"the console damaged the request\"}"};
    if (bytes) {
        const auto posted = verifier_.post(target_, std::string{bytes->begin(), bytes->end()});
        if (posted)
            answer = posted.value();
        else
            answer = {502, nlohmann::json{{"error", posted.error()}}.dump()};
    }
    target_.clear();
    answer_.push_back(std::string{from_relay} + "status " + std::to_string(answer.status) + "\n");
    for (std::string& line : lines_of(answer.body, from_relay))
        answer_.push_back(std::move(line));
}

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// The way to a verifier for a machine without a network: requests and answers as lines of its
// console, carried on by whoever holds the console's other end. Nobody authenticates the verifier
// here; nothing secret goes over it, and evidence is judged by what is signed in it.
//   domain 0:  @ravelin post TARGET, @ravelin data BASE64 ..., @ravelin end
//   other end: @answer status NUMBER, @answer data BASE64 ..., @answer end
// The other end sends a line when domain 0 has acknowledged the one before ("@ravelin next"): a
// console's input is small.
#pragma once

#include "attest/agent.hpp"

#include <deque>

namespace ravelin::attest {

/// Domain 0's end; switches the terminal's echo and line editing off while it exists.
[[nodiscard]] std::unique_ptr<VerifierLink> connect_console(int input, int output);

/// The other end. Lines that are not of this protocol are ignored: a console prints many things.
class ConsoleRelay {
  public:
    explicit ConsoleRelay(VerifierLink& verifier) : verifier_{verifier} {}

    /// Takes what the console printed since the last call; returns what to type on it.
    [[nodiscard]] std::string feed(std::string_view printed);

  private:
    [[nodiscard]] std::string take_line(std::string_view line);
    void carry_on();

    VerifierLink& verifier_;
    std::string unfinished_;
    std::string target_;
    std::string body_; ///< base64
    std::deque<std::string> answer_;
};

} // namespace ravelin::attest

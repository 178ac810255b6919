// SPDX-License-Identifier: Apache-2.0
// A console that keeps what would be printed.
#pragma once

#include <hv/tpm/platform.hpp>

#include <string>
#include <vector>

namespace ravelin::hv::tpm::test {

class RecordingConsole final : public Console {
  public:
    void line(std::string_view text) override { lines.emplace_back(text); }
    usize history(u64, std::span<u8>) override { return 0; }
    std::vector<std::string> lines;
};

} // namespace ravelin::hv::tpm::test

// SPDX-License-Identifier: Apache-2.0
// One flipped bit, where it does not keep the machine from booting: in text that is only printed or
// compared. That is the attacker whom measuring is for; one who breaks the boot is seen without it.
#pragma once

#include "tools/demo/options.hpp"

#include <base/int.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace ravelin::demo {

/// Where in a file a bit is flipped: the last character of the first occurrence of `text`.
struct BitFlip {
    std::string_view text;
    u8 mask;
};

/// The flip for a tampered file; nothing for a tampering that concerns no file.
[[nodiscard]] std::optional<BitFlip> file_flip(Tamper tamper);

/// Flips one bit; ServerError when the text is not in the file. Returns the file offset.
std::size_t flip_bit(const std::filesystem::path& file, const BitFlip& flip);

/// The same for captured evidence (JSON): one bit of the statement's nonce, the firmware's log or
/// the quote.
[[nodiscard]] std::string tampered_evidence(const std::string& evidence, Tamper tamper);

} // namespace ravelin::demo

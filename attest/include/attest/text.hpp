// SPDX-License-Identifier: Apache-2.0
// Bytes as text: hexadecimal for people and digests, base64 for everything longer. Decoding is
// strict: one text for one value.
#pragma once

#include <base/int.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::attest {

using Bytes = std::vector<u8>;

[[nodiscard]] std::string to_hex(std::span<const u8> bytes);
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);
[[nodiscard]] std::string to_base64(std::span<const u8> bytes);
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);

/// What untrusted text looks like on a terminal: '?' for each byte that is not printable ASCII.
[[nodiscard]] std::string printable(std::string_view text);

} // namespace ravelin::attest

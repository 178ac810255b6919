// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/text.hpp"

#include <algorithm>
#include <array>

namespace ravelin::attest {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<u8> value_of(char c, std::string_view digits) {
    const std::size_t at = digits.find(c);
    if (at == std::string_view::npos)
        return std::nullopt;
    return static_cast<u8>(at);
}

} // namespace

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        text += hex_digits[byte >> 4];
        text += hex_digits[byte & 0xf];
    }
    return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
    if (text.size() % 2 != 0)
        return std::nullopt;
    Bytes bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = value_of(text[i], hex_digits);
        const auto low = value_of(text[i + 1], hex_digits);
        if (!high || !low)
            return std::nullopt;
        bytes.push_back(static_cast<u8>(*high << 4 | *low));
    }
    return bytes;
}

std::string to_base64(std::span<const u8> bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        u32 group = 0;
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8 | (i + k < bytes.size() ? bytes[i + k] : u32{0});
        for (std::size_t k = 0; k < 4; ++k)
            text += i + k <= bytes.size() ? base64_digits[group >> (18 - 6 * k) & 0x3f] : '=';
    }
    return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
    if (text.size() % 4 != 0)
        return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    Bytes bytes;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        const bool last = i + 4 == text.size();
        const std::size_t absent = last ? padding : 0;
        u32 group = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const auto digit =
                k < 4 - absent ? value_of(text[i + k], base64_digits) : std::optional<u8>{u8{0}};
            if (!digit)
                return std::nullopt;
            group = group << 6 | *digit;
        }
        // Bits that no byte takes must be zero, or two texts would mean one value.
        if (absent != 0 && (group & ((1U << (8 * absent)) - 1)) != 0)
            return std::nullopt;
        for (std::size_t k = 0; k < 3 - absent; ++k)
            bytes.push_back(static_cast<u8>(group >> (16 - 8 * k)));
    }
    return bytes;
}

std::string printable(std::string_view text) {
    std::string out{text};
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
}

} // namespace ravelin::attest

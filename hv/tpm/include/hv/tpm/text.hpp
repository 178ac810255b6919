// SPDX-License-Identifier: Apache-2.0
// A line of text with inline storage; what does not fit is cut off, and says so with its last
// character.
#pragma once

#include <base/int.hpp>

#include <array>
#include <string_view>

namespace ravelin::hv::tpm {

class Text {
  public:
    static constexpr usize capacity = 160;

    constexpr Text() = default;
    constexpr explicit Text(std::string_view text) { *this << text; }

    constexpr Text& operator<<(std::string_view text) {
        for (const char c : text)
            push(c);
        return *this;
    }
    constexpr Text& decimal(u64 value) {
        std::array<char, 20> digits{};
        usize count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        while (count > 0)
            push(digits[--count]);
        return *this;
    }
    constexpr Text& hex(u64 value) {
        *this << "0x";
        bool started = false;
        for (unsigned shift = 64; shift > 0; shift -= 4) {
            const u64 nibble = value >> (shift - 4) & 15;
            started = started || nibble != 0 || shift == 4;
            if (started)
                push("0123456789abcdef"[nibble]);
        }
        return *this;
    }
    [[nodiscard]] constexpr std::string_view view() const { return {text_.data(), size_}; }

  private:
    constexpr void push(char c) {
        if (size_ < capacity)
            text_[size_++] = c;
        else
            text_[capacity - 1] = '~';
    }

    std::array<char, capacity> text_{};
    usize size_{};
};

} // namespace ravelin::hv::tpm

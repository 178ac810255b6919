// SPDX-License-Identifier: Apache-2.0
// Text formatting without allocation or <format>: "{}" takes text or a decimal number, "{x}" a
// hexadecimal one. Pure.
#pragma once

#include <base/types.hpp>

#include <concepts>
#include <span>
#include <string_view>

namespace ravelin::hv::machine {

/// Where formatted characters go.
class TextSink {
  public:
    virtual void put(char c) = 0;

  protected:
    ~TextSink() = default;
};

/// One argument, by value.
class FormatArgument {
  public:
    constexpr FormatArgument(std::string_view text) : kind_{Kind::text}, text_{text} {}
    constexpr FormatArgument(const char* text) : kind_{Kind::text}, text_{text} {}
    constexpr FormatArgument(std::unsigned_integral auto number)
        : kind_{Kind::number}, number_{number} {}
    constexpr FormatArgument(std::signed_integral auto number)
        : kind_{Kind::signed_number}, number_{static_cast<u64>(static_cast<i64>(number))} {}
    template <typename Tag, typename Raw>
    constexpr FormatArgument(Strong<Tag, Raw> value) : kind_{Kind::number}, number_{value.raw()} {}

    void write_decimal(TextSink& sink) const;
    void write_hexadecimal(TextSink& sink) const;

  private:
    enum class Kind : u8 { text, number, signed_number };
    Kind kind_;
    u64 number_{};
    std::string_view text_{};
};

/// Writes `format` with its braces replaced. Too few arguments show as "{?}".
void format_to(TextSink& sink, std::string_view format, std::span<const FormatArgument> arguments);

} // namespace ravelin::hv::machine

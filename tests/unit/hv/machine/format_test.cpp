// SPDX-License-Identifier: Apache-2.0
// The console's formatting.
#include <hv/machine/format.hpp>

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace ravelin::hv::machine {
namespace {

class StringSink final : public TextSink {
  public:
    void put(char c) override { text += c; }
    std::string text;
};

template <typename... Arguments>
std::string formatted(std::string_view format, const Arguments&... arguments) {
    const std::array<FormatArgument, sizeof...(Arguments)> list{FormatArgument{arguments}...};
    StringSink sink;
    format_to(sink, format, list);
    return sink.text;
}

TEST(Format, TextAndNumbers) {
    EXPECT_EQ(formatted("{} is {}, {x}", "it", 42u, 0xfee0'0000u), "it is 42, 0xfee00000");
    EXPECT_EQ(formatted("{} {}", -7, ~u64{0}), "-7 18446744073709551615");
    EXPECT_EQ(formatted("{} {x}", 0u, 0u), "0 0x0");
    EXPECT_EQ(formatted("{x}", HostPhysical{0x1000}), "0x1000");
}

TEST(Format, WrongFormatsShowInsteadOfFailing) {
    StringSink sink;
    format_to(sink, "{} {x}", {});
    EXPECT_EQ(sink.text, "{?} {?}");
    EXPECT_EQ(formatted("a } { b", 1u), "a } { b");
    EXPECT_EQ(formatted("no place", 1u), "no place");
}

} // namespace
} // namespace ravelin::hv::machine

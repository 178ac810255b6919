// SPDX-License-Identifier: Apache-2.0
#include <attest/text.hpp>

#include <gtest/gtest.h>

namespace ravelin::attest {
namespace {

TEST(Base64, IsTheStandards) { // RFC 4648, section 10
    const std::vector<std::pair<std::string, std::string>> vectors{
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    for (const auto& [plain, encoded] : vectors) {
        const Bytes bytes{plain.begin(), plain.end()};
        EXPECT_EQ(to_base64(bytes), encoded);
        EXPECT_EQ(from_base64(encoded), bytes);
    }
}

TEST(Base64, OneTextForOneValue) {
    for (const char* bad : {"Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Z g=", "Zm9v\n"})
        EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(Hex, RoundTripAndLowerCaseOnly) {
    EXPECT_EQ(to_hex(Bytes{0x00, 0xaf}), "00af");
    EXPECT_EQ(from_hex("00af"), (Bytes{0x00, 0xaf}));
    for (const char* bad : {"0", "0g", "AF"})
        EXPECT_FALSE(from_hex(bad)) << bad;
}

} // namespace
} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
#include "sample.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ravelin::attest {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

class EvidenceTest : public testing::Test {
  protected:
    std::string error_after(const std::function<void(Json&)>& change) {
        Json json = Json::parse(encode_evidence(platform_.evidence({})));
        change(json);
        const auto decoded = decode_evidence(json.dump());
        return decoded ? "no error" : decoded.error();
    }
    SamplePlatform platform_;
};

TEST_F(EvidenceTest, EncodesAndDecodes) {
    const std::string json = encode_evidence(platform_.evidence({}));
    const auto decoded = decode_evidence(json);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(encode_evidence(decoded.value()), json);
}

TEST_F(EvidenceTest, EachMemberIsNeededAndNamed) {
    const Json whole = Json::parse(encode_evidence(platform_.evidence({})));
    for (const auto& [name, value] : whole.items()) {
        EXPECT_THAT(error_after([&, n = name](Json& json) { json.erase(n); }), HasSubstr(name));
        EXPECT_THAT(error_after([&, n = name](Json& json) { json[n] = Json{nullptr}; }),
                    HasSubstr(name));
    }
}

TEST_F(EvidenceTest, WhatIsNotKnownIsRefused) {
    EXPECT_THAT(error_after([](Json& json) { json["more"] = 1; }), HasSubstr("does not know"));
    EXPECT_THAT(error_after([](Json& json) { json["logs"]["more"] = ""; }), HasSubstr("logs"));
    EXPECT_THAT(error_after([](Json& json) { json["version"] = 2; }), HasSubstr("version"));
    EXPECT_THAT(error_after([](Json& json) { json["pcrs"]["sha1"] = Json::object(); }),
                HasSubstr("pcrs"));
    EXPECT_THAT(
        error_after([](Json& json) { json["pcrs"]["sha256"]["24"] = std::string(64, '0'); }),
        HasSubstr("PCRs 0 to 23"));
    EXPECT_FALSE(decode_evidence("{"));
    EXPECT_FALSE(decode_evidence("[]"));
}

} // namespace
} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// A platform launched through TXT, and what pretends to be one.
#include "sample.hpp"

#include <wire/statement.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::attest {
namespace {

using testing::Contains;
using testing::HasSubstr;

class VerifyDynamicTest : public testing::Test {
  protected:
    std::vector<std::string> failed() const {
        std::vector<std::string> ids;
        const Verdict verdict = verify(evidence_, expectation_);
        for (const Check& check : verdict.checks())
            if (check.outcome == Outcome::failed)
                ids.push_back(check.id);
        return ids;
    }
    std::string table() const { return as_table(verify(evidence_, expectation_), "sample"); }

    SamplePlatform platform_{wire::Launch::drtm};
    Digest nonce_{1, 2, 3};
    Evidence evidence_{platform_.evidence(nonce_)};
    Expectation expectation_{platform_.expectation(nonce_)};
};

TEST_F(VerifyDynamicTest, HonestPlatformIsTrusted) {
    EXPECT_THAT(table(), HasSubstr("\nplatform TRUSTED (DRTM)\n"));
    // What ran before the launch has no part in it.
    evidence_.firmware_log.clear();
    EXPECT_THAT(failed(), testing::IsEmpty());
}

TEST_F(VerifyDynamicTest, AChangedModuleIsNamed) {
    expectation_.reference.events[17].back().digest[0] ^= 1;
    EXPECT_THAT(failed(), testing::ElementsAre("launch.environment"));
    EXPECT_THAT(table(), HasSubstr("event 'ravelin.elf32'"));
    expectation_ = platform_.expectation(nonce_);
    expectation_.reference.events[17].pop_back();
    EXPECT_THAT(failed(), testing::ElementsAre("launch.environment"));
    expectation_ = platform_.expectation(nonce_);
    expectation_.reference.events[18].clear();
    EXPECT_THAT(failed(), testing::ElementsAre("launch.authorities"));
    expectation_ = platform_.expectation(nonce_);
    expectation_.reference.events[19][1].digest[0] ^= 1;
    EXPECT_THAT(failed(), testing::ElementsAre("launch.domains"));
}

TEST_F(VerifyDynamicTest, AskedForDrtmLaunchedWithout) {
    for (const wire::Launch launch : {wire::Launch::srtm, wire::Launch::unmeasured}) {
        evidence_.statement = SamplePlatform::statement(nonce_, launch);
        platform_.quote(evidence_);
        EXPECT_THAT(failed(), testing::ElementsAre("statement.launch")) << wire::name(launch);
    }
}

TEST_F(VerifyDynamicTest, TheKeyIsTheLaunchs) {
    const SamplePlatform other{wire::Launch::srtm};
    evidence_ = other.evidence(nonce_);
    expectation_.ak_public = other.ak_public();
    EXPECT_THAT(failed(), Contains("quote.key"));
    EXPECT_THAT(failed(), Contains("quote.pcrs"));
    // And the other way round: AK-D says nothing about an SRTM launch.
    evidence_ = platform_.evidence(nonce_);
    expectation_ = other.expectation(nonce_);
    expectation_.ak_public = platform_.ak_public();
    EXPECT_THAT(failed(), Contains("quote.key"));
}

TEST_F(VerifyDynamicTest, ALogThatIsNotTheQuotedOne) {
    evidence_.ravelin_log[evidence_.ravelin_log.size() - 20] ^= 1;
    EXPECT_THAT(failed(), testing::IsSupersetOf({"log.replay"}));
    evidence_ = platform_.evidence(nonce_);
    evidence_.ravelin_log.pop_back();
    EXPECT_THAT(failed(), testing::ElementsAre("log.form"));
}

TEST_F(VerifyDynamicTest, TheReferenceGoesThroughItsFile) {
    const auto decoded = decode_reference(encode_reference(expectation_.reference));
    ASSERT_TRUE(decoded.is_ok()) << decoded.error();
    EXPECT_EQ(decoded.value().launch, wire::Launch::drtm);
    EXPECT_EQ(decoded.value().events, expectation_.reference.events);
    expectation_.reference = decoded.value();
    EXPECT_THAT(failed(), testing::IsEmpty());
    std::string text = encode_reference(expectation_.reference);
    text.replace(text.find("\"drtm\""), 6, "\"none\"");
    EXPECT_FALSE(decode_reference(text).is_ok());
    expectation_.reference.events.erase(18);
    EXPECT_FALSE(decode_reference(encode_reference(expectation_.reference)).is_ok());
}

} // namespace
} // namespace ravelin::attest

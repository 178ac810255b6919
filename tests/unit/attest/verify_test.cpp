// SPDX-License-Identifier: Apache-2.0
// Each lie has its check, and the check names what the lie is about.
#include "sample.hpp"

#include <crypto/sha.hpp>
#include <wire/statement.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::attest {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class VerifyTest : public testing::Test {
  protected:
    static std::vector<std::string> failed(const Verdict& verdict) {
        std::vector<std::string> ids;
        for (const Check& check : verdict.checks())
            if (check.outcome == Outcome::failed)
                ids.push_back(check.id);
        return ids;
    }
    std::vector<std::string> failed() const { return failed(verify(evidence_, expectation_)); }
    static std::string where(const Verdict& verdict) {
        for (const Check& check : verdict.checks())
            if (check.outcome == Outcome::failed)
                return check.where;
        return "nothing failed";
    }

    SamplePlatform platform_;
    Digest nonce_{1, 2, 3};
    Evidence evidence_{platform_.evidence(nonce_)};
    Expectation expectation_{platform_.expectation(nonce_)};
};

TEST_F(VerifyTest, HonestPlatformIsTrusted) {
    const Verdict verdict = verify(evidence_, expectation_);
    EXPECT_TRUE(verdict.trusted()) << as_table(verdict, "sample");
    EXPECT_THAT(as_table(verdict, "sample"), HasSubstr("\nplatform TRUSTED\n"));
    for (const char* id : {"quote.signature",
                           "quote.statement",
                           "statement.nonce",
                           "boot.files",
                           "boot.commands",
                           "launch.domains",
                           "firmware.pcr0",
                           "log.replay"})
        EXPECT_THAT(verdict.checks(), Contains(testing::Field(&Check::id, id)));
}

TEST_F(VerifyTest, NothingCheckedIsNotTrusted) {
    EXPECT_FALSE(Verdict{}.trusted());
    EXPECT_FALSE(verify(Evidence{}, expectation_).trusted());
}

TEST_F(VerifyTest, AnotherChallengesEvidence) {
    expectation_.nonce[31] ^= 1;
    EXPECT_THAT(failed(), ElementsAre("statement.nonce"));
}

TEST_F(VerifyTest, AnotherKey) {
    const SamplePlatform other;
    expectation_.ak_public = other.ak_public();
    EXPECT_THAT(failed(), ElementsAre("quote.signature"));
}

TEST_F(VerifyTest, KeyOfAnotherTemplate) {
    expectation_.ak_public[7] ^= 0x40; // userWithAuth
    EXPECT_THAT(failed(), Contains("quote.key"));
}

TEST_F(VerifyTest, EveryBitOfTheQuoteIsSigned) {
    for (usize i = 0; i < evidence_.quote.size(); ++i) {
        evidence_.quote[i] ^= 1;
        EXPECT_THAT(failed(), Contains("quote.signature")) << "byte " << i;
        evidence_.quote[i] ^= 1;
    }
}

TEST_F(VerifyTest, EveryBitOfTheStatementIsBound) {
    for (usize i = 0; i < evidence_.statement.size(); ++i) {
        evidence_.statement[i] ^= 1;
        EXPECT_THAT(failed(), Contains("quote.statement")) << "byte " << i;
        evidence_.statement[i] ^= 1;
    }
}

TEST_F(VerifyTest, PathOfTheWrongLength) {
    evidence_.path.push_back({});
    EXPECT_THAT(failed(), ElementsAre("quote.statement"));
    evidence_.path.clear();
    evidence_.count = 2;
    EXPECT_THAT(failed(), ElementsAre("quote.statement"));
}

TEST_F(VerifyTest, PcrValueThatWasNotQuoted) {
    evidence_.pcrs[9][0] ^= 1;
    EXPECT_THAT(failed(), ElementsAre("quote.composite"));
    evidence_.pcrs.erase(9);
    EXPECT_THAT(failed(), Contains("quote.values"));
}

TEST_F(VerifyTest, LogThatIsNotTheQuotedOne) {
    // The last byte of the last digest of the firmware's log is in its event before the text.
    evidence_.firmware_log.resize(evidence_.firmware_log.size() / 2);
    EXPECT_FALSE(verify(evidence_, expectation_).trusted());
}

TEST_F(VerifyTest, LieInTheTextOfACommandIsNamed) {
    const std::string text = "module2 /dom0.kernel";
    auto at = std::search(
        evidence_.firmware_log.begin(), evidence_.firmware_log.end(), text.begin(), text.end());
    ASSERT_NE(at, evidence_.firmware_log.end());
    at[static_cast<std::ptrdiff_t>(text.size()) - 1] ^= 1;
    const Verdict verdict = verify(evidence_, expectation_);
    EXPECT_THAT(failed(verdict), Contains("log.text"));
    EXPECT_THAT(where(verdict), HasSubstr("dom0.kernem"));
}

TEST_F(VerifyTest, ChangedKernelIsNamed) {
    expectation_.reference.events[9][3].digest[0] ^= 1;
    const Verdict verdict = verify(evidence_, expectation_);
    EXPECT_THAT(failed(verdict), ElementsAre("boot.files"));
    EXPECT_EQ(where(verdict), "PCR 9 event '/dom0.kernel'");
    EXPECT_THAT(as_table(verdict, "sample"),
                HasSubstr("platform UNTRUSTED: boot.files (PCR 9 event '/dom0.kernel')"));
}

TEST_F(VerifyTest, EventTooManyOrTooFew) {
    expectation_.reference.events[12].push_back({"ravelin:more", {}});
    EXPECT_THAT(failed(), ElementsAre("launch.domains"));
    expectation_.reference.events[12].resize(3);
    EXPECT_THAT(failed(), ElementsAre("launch.domains"));
}

TEST_F(VerifyTest, FirmwareThatIsNotTheRecordedOne) {
    expectation_.reference.firmware[0][0] ^= 1;
    EXPECT_THAT(failed(), ElementsAre("firmware.pcr0"));
}

/// The offset of an event's type, for the first event of that register and type.
usize type_offset(const Bytes& log, unsigned pcr, wire::EventType type) {
    auto reader = wire::LogReader::open(log).value();
    while (const auto event = reader.next().value())
        if (event->pcr == PcrIndex{pcr} && event->type == type)
            return event->offset + sizeof(u32);
    ADD_FAILURE() << "no such event";
    return 0;
}

TEST_F(VerifyTest, EventOfATypeThatDoesNotBelongThere) {
    // No digest covers the type, so the logs still replay.
    evidence_.firmware_log[type_offset(evidence_.firmware_log, 9, wire::EventType::ipl)] = 0x05;
    EXPECT_THAT(failed(), ElementsAre("log.grammar"));
}

TEST_F(VerifyTest, HiddenSeparator) {
    evidence_.firmware_log[type_offset(evidence_.firmware_log, 4, wire::EventType::separator)] =
        0x05;
    EXPECT_THAT(failed(), ElementsAre("log.grammar"));
    EXPECT_EQ(where(verify(evidence_, expectation_)), "PCR 4");
}

TEST_F(VerifyTest, LaunchLogWithoutItsEnd) {
    evidence_.ravelin_log[type_offset(evidence_.ravelin_log, 12, wire::EventType::separator)] =
        0x0d;
    EXPECT_THAT(failed(), Contains("log.grammar"));
}

TEST_F(VerifyTest, LieInTheDataOfAnActionIsNamed) {
    const std::string text = "Exit Boot Services Invocation";
    auto at = std::search(
        evidence_.firmware_log.begin(), evidence_.firmware_log.end(), text.begin(), text.end());
    ASSERT_NE(at, evidence_.firmware_log.end());
    *at = '\x1b';
    const Verdict verdict = verify(evidence_, expectation_);
    EXPECT_THAT(failed(verdict), ElementsAre("log.text"));
    EXPECT_EQ(where(verdict), "PCR 5 event '?xit Boot Services Invocation'");
}

TEST_F(VerifyTest, StatementOfAnotherDomain) {
    auto statement = wire::decode_statement(evidence_.statement).value();
    statement.submitter = DomainId{3};
    Bytes buffer(wire::Statement::max_size);
    const auto written = wire::encode(statement, buffer).value();
    evidence_.statement = {written.begin(), written.end()};
    platform_.quote(evidence_);
    EXPECT_THAT(failed(), ElementsAre("statement.submitter"));
}

TEST_F(VerifyTest, MissingLogIsNoEmptyLog) {
    evidence_.ravelin_log.clear();
    EXPECT_THAT(failed(), ElementsAre("log.form"));
}

} // namespace
} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// Replay of logs: start values, what extends and what does not, malformed logs.
#include <evidence/replay.hpp>
#include <gtest/gtest.h>
#include <string_view>
#include <vector>

namespace ravelin::evidence {
namespace {

using wire::EventType;
using wire::tpm::Algorithm;

class ReplayTest : public ::testing::Test {
  protected:
    void append(u32 pcr, EventType type, const PcrValue& value, std::string_view data = {}) {
        const wire::LogDigest digests[] = {{Algorithm::sha256, value}};
        const std::vector<u8> bytes{data.begin(), data.end()};
        ASSERT_TRUE(log.append(PcrIndex{pcr}, type, digests, bytes).is_ok());
    }
    static constexpr std::array<Algorithm, 1> algorithms{Algorithm::sha256};
    std::vector<u8> buffer = std::vector<u8>(4096);
    wire::LogWriter log = wire::LogWriter::create(buffer, algorithms).value();
    PcrValue digest = crypto::hash<crypto::Sha256>({});
};

TEST_F(ReplayTest, AnEmptyLogChangesNothing) {
    const auto result = replay(log.bytes(), initial_pcrs());
    ASSERT_TRUE(result.is_ok());
    EXPECT_EQ(result.value().values, initial_pcrs());
    EXPECT_EQ(result.value().extended, 0u);
    EXPECT_EQ(result.value().values[17][0], 0xff);
}

TEST_F(ReplayTest, ExtendsInOrder) {
    append(12, EventType::ipl, digest);
    append(12, EventType::separator, PcrValue{});
    auto expected = initial_pcrs();
    extend(expected[12], digest);
    extend(expected[12], PcrValue{});
    const auto result = replay(log.bytes(), initial_pcrs());
    ASSERT_TRUE(result.is_ok());
    EXPECT_EQ(result.value().values, expected);
    EXPECT_EQ(result.value().extended, 1u << 12);
    EXPECT_EQ(result.value().events, 2u);
}

TEST_F(ReplayTest, NoActionExtendsNothingButTellsTheStartupLocality) {
    append(0, EventType::no_action, PcrValue{}, std::string_view{"StartupLocality\0\3", 17});
    append(1, EventType::no_action, digest, "anything");
    const auto result = replay(log.bytes(), initial_pcrs());
    ASSERT_TRUE(result.is_ok());
    EXPECT_EQ(result.value().values[0].back(), 3);
    EXPECT_EQ(result.value().values[1], PcrValue{});
}

TEST_F(ReplayTest, ALogWithoutSha256IsNotReplayed) {
    const Algorithm sha1[] = {Algorithm::sha1};
    auto other = wire::LogWriter::create(buffer, sha1).value();
    const std::vector<u8> short_digest(20);
    const wire::LogDigest digests[] = {{Algorithm::sha1, short_digest}};
    ASSERT_TRUE(other.append(PcrIndex{0}, EventType::ipl, digests, {}).is_ok());
    EXPECT_EQ(replay(other.bytes(), initial_pcrs()).error().kind, ReplayError::Kind::no_sha256);
}

TEST_F(ReplayTest, AMalformedLogSaysWhere) {
    append(12, EventType::ipl, digest);
    const auto result = replay(log.bytes().first(log.bytes().size() - 1), initial_pcrs());
    ASSERT_FALSE(result.is_ok());
    EXPECT_EQ(result.error().log.kind, wire::LogError::Kind::truncated);
    EXPECT_GT(result.error().log.offset, 0u);
}

} // namespace
} // namespace ravelin::evidence

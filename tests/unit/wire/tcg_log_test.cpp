// SPDX-License-Identifier: Apache-2.0
// Event logs: written, read back, and cut at every byte.
#include <wire/tcg_log.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace ravelin::wire {
namespace {

using tpm::Algorithm;

class TcgLogTest : public ::testing::Test {
  protected:
    TcgLogTest() {
        const Algorithm algorithms[] = {Algorithm::sha1, Algorithm::sha256};
        auto writer = LogWriter::create(buffer, algorithms);
        EXPECT_TRUE(writer.is_ok());
        header = writer.value().bytes().size();
        const LogDigest digests[] = {{Algorithm::sha1, sha1}, {Algorithm::sha256, sha256}};
        EXPECT_TRUE(writer.value().append(PcrIndex{12}, EventType::ipl, digests, data).is_ok());
        EXPECT_TRUE(writer.value().append(PcrIndex{12}, EventType::separator, digests, {}).is_ok());
        log = writer.value().bytes();
    }
    std::vector<u8> buffer = std::vector<u8>(512);
    std::vector<u8> sha1 = std::vector<u8>(20, 1);
    std::vector<u8> sha256 = std::vector<u8>(32, 2);
    std::vector<u8> data{'x', 'y', 'z'};
    std::span<const u8> log;
    usize header = 0;
};

Result<unsigned, LogError> count(std::span<const u8> log) {
    auto reader = RAVELIN_TRY(LogReader::open(log));
    unsigned events = 0;
    for (;;) {
        const auto next = RAVELIN_TRY(reader.next());
        if (!next)
            return events;
        ++events;
    }
}

TEST_F(TcgLogTest, ReadsWhatItWrote) {
    auto reader = LogReader::open(log);
    ASSERT_TRUE(reader.is_ok());
    ASSERT_EQ(reader.value().algorithms().size(), 2u);
    const auto event = reader.value().next();
    ASSERT_TRUE(event.is_ok() && event.value());
    EXPECT_EQ(event.value()->pcr, PcrIndex{12});
    EXPECT_EQ(event.value()->type, EventType::ipl);
    EXPECT_TRUE(std::ranges::equal(event.value()->data, data));
    EXPECT_TRUE(std::ranges::equal(*event.value()->digest(Algorithm::sha256), sha256));
    EXPECT_FALSE(event.value()->digest(Algorithm::sha384));
    EXPECT_EQ(count(log).value(), 2u);
}

TEST_F(TcgLogTest, ACutLogIsAnErrorUnlessCutBetweenEvents) {
    const usize second = header + (log.size() - header + data.size()) / 2;
    for (usize size = 0; size < log.size(); ++size) {
        const auto result = count(log.first(size));
        EXPECT_EQ(result.is_ok(), size == header || size == second) << size;
        if (!result.is_ok() && size > header) {
            EXPECT_EQ(result.error().kind, LogError::Kind::truncated);
            EXPECT_EQ(result.error().offset, size > second ? second : header);
        }
    }
}

TEST_F(TcgLogTest, ErrorsAreNamed) {
    const auto broken = [&](usize at, u8 value) {
        std::vector<u8> bytes{log.begin(), log.end()};
        bytes[at] = value;
        return count(bytes).error().kind;
    };
    EXPECT_EQ(broken(0, 1), LogError::Kind::no_header);
    EXPECT_EQ(broken(32, 'X'), LogError::Kind::bad_header);
    EXPECT_EQ(broken(header, 24), LogError::Kind::bad_pcr);
    EXPECT_EQ(broken(header + 8, 1), LogError::Kind::digest_count);
    EXPECT_EQ(broken(header + 12, 0xc), LogError::Kind::unknown_algorithm);
    EXPECT_EQ(broken(header + 12 + 22, 4), LogError::Kind::digest_count); // SHA-1 twice
}

TEST_F(TcgLogTest, AFullBufferTakesWholeEventsOnly) {
    const Algorithm algorithms[] = {Algorithm::sha256};
    EXPECT_FALSE(LogWriter::create(std::span{buffer}.first(60), algorithms).is_ok());
    auto writer = LogWriter::create(std::span{buffer}.first(120), algorithms);
    ASSERT_TRUE(writer.is_ok());
    const usize before = writer.value().bytes().size();
    const LogDigest digests[] = {{Algorithm::sha256, sha256}};
    EXPECT_FALSE(writer.value().append(PcrIndex{12}, EventType::ipl, digests, sha256).is_ok());
    EXPECT_EQ(writer.value().bytes().size(), before);
}

} // namespace
} // namespace ravelin::wire

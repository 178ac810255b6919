// SPDX-License-Identifier: Apache-2.0
// The frame allocator: nothing is handed out twice, everything is scrubbed first, and only the
// owner gives back.
#include <hv/mm/frames.hpp>

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <vector>

namespace ravelin::hv::mm {
namespace {

constexpr DomainId domain{1};
constexpr DomainId other{2};

/// Remembers which frames are clean: scrubbed since they were last dirtied.
class CountingScrubber final : public Scrubber {
  public:
    void scrub(HostFrame first, u64 count) override {
        for (u64 i = 0; i < count; ++i)
            dirty[first.raw() + i] = false;
    }
    std::map<u64, bool> dirty;
};

class FramesTest : public testing::Test {
  protected:
    static constexpr u64 frame_count = 4096; // 16 MiB
    FramesTest() : table_(frame_count) {
        frames.initialise(table_, scrubber);
        frames.add_ram(HostFrame{16}, frame_count - 16);
    }
    HostFrame take(FrameOrder order = FrameOrder::size_4k) {
        const auto frame = frames.allocate(order, FrameType::domain, domain);
        EXPECT_TRUE(frame.is_ok());
        return frame.value_or(HostFrame{});
    }

    CountingScrubber scrubber;
    FrameAllocator frames;

  private:
    std::vector<FrameInfo> table_;
};

TEST_F(FramesTest, AbsentFramesAreNeverHandedOut) {
    u64 taken = 0;
    while (const auto frame = frames.allocate(FrameOrder::size_4k, FrameType::cpu, domain)) {
        EXPECT_GE(frame.value().raw(), 16u);
        ++taken;
    }
    EXPECT_EQ(taken, frame_count - 16);
    EXPECT_EQ(frames.counts().free, 0u);
}

TEST_F(FramesTest, BlocksAreAlignedToTheirSize) {
    const HostFrame block = take(FrameOrder::size_2m);
    EXPECT_EQ(block.raw() % 512, 0u);
    for (u64 i = 0; i < 512; ++i) {
        EXPECT_EQ(frames.info(block + i).owner, domain);
        EXPECT_EQ(frames.info(block + i).type, FrameType::domain);
    }
    EXPECT_FALSE(frames.allocate(FrameOrder::size_1g, FrameType::domain, domain).is_ok());
}

TEST_F(FramesTest, SingleFramesLeaveBlocksWhole) {
    for (int i = 0; i < 100; ++i)
        (void)take();
    u64 blocks = 0;
    while (frames.allocate(FrameOrder::size_2m, FrameType::domain, domain))
        ++blocks;
    EXPECT_EQ(blocks, frame_count / 512 - 1);
}

TEST_F(FramesTest, EveryHandOutIsScrubbed) {
    for (int round = 0; round < 3; ++round) {
        std::vector<HostFrame> held;
        while (const auto frame = frames.allocate(FrameOrder::size_4k, FrameType::domain, domain)) {
            EXPECT_FALSE(scrubber.dirty[frame.value().raw()]);
            scrubber.dirty[frame.value().raw()] = true;
            held.push_back(frame.value());
        }
        for (const HostFrame frame : held)
            EXPECT_TRUE(frames.release(frame, 1, domain).is_ok());
    }
}

TEST_F(FramesTest, OnlyTheOwnerGivesBackAndOnlyOnce) {
    const HostFrame frame = take();
    EXPECT_EQ(frames.release(frame, 1, other).error(), FrameError::not_owned);
    EXPECT_EQ(frames.release(frame, 2, domain).error(), FrameError::not_owned);
    EXPECT_TRUE(frames.release(frame, 1, domain).is_ok());
    EXPECT_EQ(frames.release(frame, 1, domain).error(), FrameError::not_owned);
    EXPECT_EQ(frames.release(HostFrame{frame_count}, 1, domain).error(), FrameError::not_owned);
    EXPECT_EQ(frames.release(HostFrame{~u64{0}}, 1, domain).error(), FrameError::not_owned);
}

TEST_F(FramesTest, ReservedFramesStayOut) {
    frames.reserve(HostFrame{100}, 50, FrameType::module);
    frames.reserve(HostFrame{frame_count - 1}, 100, FrameType::reserved); // beyond the end: cut
    std::vector<HostFrame> held;
    while (const auto frame = frames.allocate(FrameOrder::size_4k, FrameType::domain, domain)) {
        EXPECT_FALSE(frame.value().raw() >= 100 && frame.value().raw() < 150);
        held.push_back(frame.value());
    }
    frames.reclaim(HostFrame{100}, 50, FrameType::module);
    EXPECT_EQ(frames.counts().free, 50u);
    EXPECT_GE(take().raw(), 100u);
}

TEST_F(FramesTest, ContiguousRunsSkipWhatIsTaken) {
    frames.reserve(HostFrame{20}, 1, FrameType::reserved);
    const auto run = frames.allocate_contiguous(10, FrameType::hypervisor, hypervisor_owner);
    ASSERT_TRUE(run.is_ok());
    EXPECT_EQ(run.value().raw(), 21u);
    EXPECT_FALSE(frames.allocate_contiguous(0, FrameType::cpu, domain).is_ok());
    EXPECT_FALSE(frames.allocate_contiguous(frame_count, FrameType::cpu, domain).is_ok());
}

TEST_F(FramesTest, RandomHistoryHandsNothingOutTwice) {
    std::mt19937 random{1};  // NOLINT(cert-msc51-cpp): the same history each time
    std::map<u64, u64> held; // first frame -> count
    std::map<u64, int> users;
    for (int step = 0; step < 3000; ++step) {
        if (random() % 2 == 0 || held.empty()) {
            const auto order = random() % 8 == 0 ? FrameOrder::size_2m : FrameOrder::size_4k;
            const auto got = frames.allocate(order, FrameType::domain, domain);
            if (!got)
                continue;
            held[got.value().raw()] = frames_of(order);
            for (u64 i = 0; i < frames_of(order); ++i)
                ASSERT_EQ(++users[got.value().raw() + i], 1);
        } else {
            const auto victim = std::next(held.begin(), static_cast<long>(random() % held.size()));
            ASSERT_TRUE(frames.release(HostFrame{victim->first}, victim->second, domain).is_ok());
            for (u64 i = 0; i < victim->second; ++i)
                --users[victim->first + i];
            held.erase(victim);
        }
    }
}

} // namespace
} // namespace ravelin::hv::mm

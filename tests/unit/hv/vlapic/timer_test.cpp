// SPDX-License-Identifier: Apache-2.0
#include "apic_fixture.hpp"

namespace ravelin::hv::vlapic {
namespace {

class TimerTest : public TwoApics {
  protected:
    TimerTest() { enable_x2apic(first); }
};

TEST_F(TimerTest, one_shot_fires_once_at_its_time) {
    EXPECT_TRUE(write(first, Reg::divide_configuration, 0xb)); // by 1
    EXPECT_TRUE(write(first, Reg::lvt_timer, 0xec));
    EXPECT_TRUE(write(first, Reg::initial_count, 50'000));
    EXPECT_EQ(first.deadline(), cpu::Tsc{now.raw() + 50'000});
    now = cpu::Tsc{now.raw() + 20'000};
    EXPECT_EQ(read(first, Reg::current_count), 30'000u);
    first.expire(now);
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    now = cpu::Tsc{now.raw() + 30'000};
    first.expire(now);
    EXPECT_EQ(first.pending_vector(), Vector{0xec});
    EXPECT_EQ(first.deadline(), std::nullopt);
    EXPECT_EQ(read(first, Reg::current_count), 0u);
}

TEST_F(TimerTest, the_divider_is_the_manuals) {
    const std::array<u32, 8> by{2, 4, 8, 16, 32, 64, 128, 1};
    for (u32 n = 0; n < by.size(); ++n) {
        EXPECT_TRUE(write(first, Reg::divide_configuration, (n & 3) | (n & 4) << 1));
        EXPECT_TRUE(write(first, Reg::initial_count, 100'000));
        EXPECT_EQ(first.deadline()->raw() - now.raw(), 100'000u * by[n]);
    }
}

TEST_F(TimerTest, periodic_counts_missed_periods_as_one) {
    EXPECT_TRUE(write(first, Reg::divide_configuration, 0xb));
    EXPECT_TRUE(write(first, Reg::lvt_timer, 0x200ec));
    EXPECT_TRUE(write(first, Reg::initial_count, 50'000));
    const cpu::Tsc start = now;
    now = cpu::Tsc{start.raw() + 125'000};
    first.expire(now);
    EXPECT_EQ(first.pending_vector(), Vector{0xec});
    EXPECT_EQ(first.deadline(), cpu::Tsc{start.raw() + 150'000});
}

TEST_F(TimerTest, a_period_has_a_floor) {
    EXPECT_TRUE(write(first, Reg::divide_configuration, 0xb));
    EXPECT_TRUE(write(first, Reg::lvt_timer, 0x200ec));
    EXPECT_TRUE(write(first, Reg::initial_count, 1));
    EXPECT_EQ(first.deadline(), cpu::Tsc{now.raw() + Timer::least_period});
    now = cpu::Tsc{now.raw() + Timer::least_period};
    first.expire(now);
    EXPECT_EQ(first.deadline(), cpu::Tsc{now.raw() + Timer::least_period});
}

TEST_F(TimerTest, masked_it_is_silent_and_zero_stops_it) {
    EXPECT_TRUE(write(first, Reg::lvt_timer, 0x100ec));
    EXPECT_TRUE(write(first, Reg::initial_count, 10));
    now = cpu::Tsc{now.raw() + 100};
    first.expire(now);
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    EXPECT_TRUE(write(first, Reg::initial_count, 10));
    EXPECT_TRUE(write(first, Reg::initial_count, 0));
    EXPECT_EQ(first.deadline(), std::nullopt);
}

} // namespace
} // namespace ravelin::hv::vlapic

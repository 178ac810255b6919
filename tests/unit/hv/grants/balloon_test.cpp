// SPDX-License-Identifier: Apache-2.0
// Memory comes and goes: counted, scrubbed, hidden from CPUs and devices first, and never taken
// from under whoever else uses it.
#include <gtest/gtest.h>
#include <support/grant_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using grants::BalloonError;

constexpr u64 hole = 0x1000;

class Balloon : public testing::Test {
  protected:
    BalloonError error(const Status<BalloonError>& status) {
        EXPECT_FALSE(status.is_ok());
        return status.is_ok() ? BalloonError{} : status.error();
    }
    test::Host host;
    test::Devices devices{host};
    test::GrantDomain a{1, host, devices};
    test::GrantDomain b{2, host, devices};
};

TEST_F(Balloon, a_page_goes_and_another_comes_scrubbed) {
    EXPECT_EQ(a.balloon.current(), test::GrantDomain::ram);
    const u64 free = host.frames.counts().free;
    const HostFrame frame = *a.frame(5);
    a.byte(5) = 0x5e;
    ASSERT_TRUE(a.balloon.release(GuestFrame{5}).is_ok());
    EXPECT_EQ(a.frame(5), std::nullopt);
    EXPECT_EQ(devices.reached(a.domain.id(), 5), std::nullopt);
    EXPECT_EQ(host.frames.info(frame).type, mm::FrameType::free);
    EXPECT_EQ(host.frames.counts().free, free + 1);
    EXPECT_EQ(a.balloon.current(), test::GrantDomain::ram - 1);
    ASSERT_TRUE(b.balloon.release(GuestFrame{0}).is_ok());
    while (b.frame(0) != frame) { // somebody else gets it
        ASSERT_TRUE(!b.frame(0) || b.balloon.release(GuestFrame{0}).is_ok());
        ASSERT_TRUE(b.balloon.populate(GuestFrame{0}).is_ok());
    }
    EXPECT_EQ(b.byte(0), 0);
    EXPECT_EQ(devices.reached(b.domain.id(), 0), frame);
    EXPECT_TRUE(devices.order_was_kept);
}

TEST_F(Balloon, the_limit_holds) {
    EXPECT_EQ(error(a.balloon.populate(GuestFrame{hole})), BalloonError::over_limit);
    a.balloon.set_maximum(test::GrantDomain::ram + 2);
    EXPECT_TRUE(a.balloon.populate(GuestFrame{hole}).is_ok());
    EXPECT_EQ(error(a.balloon.populate(GuestFrame{hole})), BalloonError::bad_page) << "no hole";
    EXPECT_TRUE(a.balloon.populate(GuestFrame{hole + 1}).is_ok());
    EXPECT_EQ(error(a.balloon.populate(GuestFrame{hole + 2})), BalloonError::over_limit);
    a.balloon.set_maximum(1);
    EXPECT_EQ(a.balloon.current(), test::GrantDomain::ram + 2) << "nothing is taken by force";
}

TEST_F(Balloon, what_others_use_stays) {
    a.grant(9, 2, 5);
    const auto handle = b.grants.map(GuestFrame{hole}, a.grants, GrantRef{9}, Access::read);
    ASSERT_TRUE(handle.is_ok());
    EXPECT_EQ(error(a.balloon.release(GuestFrame{5})), BalloonError::in_use);
    EXPECT_EQ(a.frame(5), b.frame(hole));
    EXPECT_EQ(error(b.balloon.release(GuestFrame{hole})), BalloonError::bad_page)
        << "not b's to give";
    EXPECT_EQ(b.frame(hole), a.frame(5));
    ASSERT_TRUE(b.grants.unmap(handle.value(), GuestFrame{hole}.address()).is_ok());
    EXPECT_TRUE(a.balloon.release(GuestFrame{5}).is_ok());
    ASSERT_TRUE(host.frames.pin(*a.frame(6), a.domain.id()).is_ok()); // as for vcpu_info
    EXPECT_EQ(error(a.balloon.release(GuestFrame{6})), BalloonError::in_use);
    host.frames.unpin(*a.frame(6));
}

TEST_F(Balloon, a_page_that_was_given_up_is_not_granted_any_more) {
    a.grant(9, 2, 5);
    ASSERT_TRUE(a.balloon.release(GuestFrame{5}).is_ok());
    EXPECT_FALSE(b.grants.map(GuestFrame{hole}, a.grants, GrantRef{9}, Access::read).is_ok());
    EXPECT_EQ(error(a.balloon.release(GuestFrame{5})), BalloonError::bad_page) << "twice";
}

TEST_F(Balloon, pages_far_apart_cost_the_domain_its_own_allowance_of_tables) {
    a.balloon.set_maximum(100'000);
    const u64 free = host.frames.counts().free;
    u64 tables = 0;
    for (u64 i = 1; a.balloon.populate(GuestFrame{i << 18}).is_ok(); ++i) {
        ASSERT_TRUE(a.balloon.release(GuestFrame{i << 18}).is_ok());
        tables = a.domain.stage2().tables();
        ASSERT_LT(i, 100'000u);
    }
    EXPECT_LT(tables, 1000u);
    EXPECT_EQ(a.balloon.current(), test::GrantDomain::ram);
    EXPECT_GT(host.frames.counts().free, free - 1000);
}

TEST_F(Balloon, a_frame_that_devices_may_still_reach_is_given_to_nobody) {
    const HostFrame frame = *a.frame(5);
    devices.stuck = true;
    EXPECT_FALSE(a.balloon.release(GuestFrame{5}).is_ok());
    devices.stuck = false;
    EXPECT_EQ(host.frames.info(frame).owner, a.domain.id());
    EXPECT_EQ(a.frame(5), std::nullopt);
}

TEST_F(Balloon, a_frame_that_devices_may_have_seen_is_given_to_nobody) {
    a.balloon.set_maximum(100);
    const u64 free = host.frames.counts().free;
    devices.silent = true;
    EXPECT_FALSE(a.balloon.populate(GuestFrame{hole}).is_ok());
    devices.silent = false;
    EXPECT_EQ(host.frames.counts().free, free - 1);
    EXPECT_EQ(a.frame(hole), std::nullopt);
}

/// Fails the Nth allocation or DMA change for N = 0, 1, ... until everything succeeds; after every
/// failure nothing is half done.
TEST(FaultSweep, every_failure_leaves_frames_and_pins_balanced) {
    for (const bool fail_devices : {false, true}) {
        bool finished = false;
        for (u64 nth = 0; !finished; ++nth) {
            ASSERT_LT(nth, 200u);
            test::Host host;
            const u64 free_before = host.frames.counts().free;
            {
                test::Devices devices{host};
                test::GrantDomain a{1, host, devices};
                test::GrantDomain b{2, host, devices};
                a.balloon.set_maximum(100);
                (fail_devices ? devices.failing : host.failing).after(nth);
                finished = a.grants.grow(3).is_ok();
                a.grant(9, 2, 5);
                for (u64 i = 0; i < 3; ++i) {
                    const GuestFrame at{hole << (9 * i)};
                    const auto handle = b.grants.map(at, a.grants, GrantRef{9}, Access::read);
                    finished = finished && handle.is_ok();
                    const bool populated = a.balloon.populate(at).is_ok();
                    finished = finished && populated;
                    EXPECT_EQ(host.pins(), handle.is_ok() ? 1u : 0u);
                    EXPECT_EQ(a.frame(at.raw()).has_value(), populated);
                    EXPECT_EQ(devices.reached(a.domain.id(), at.raw()), a.frame(at.raw()));
                    EXPECT_EQ(devices.reached(b.domain.id(), at.raw()), b.frame(at.raw()));
                    EXPECT_TRUE(!handle || b.grants.unmap(handle.value(), at.address()).is_ok());
                    EXPECT_EQ(a.flags(9), 1u);
                    EXPECT_EQ(a.balloon.current() - test::GrantDomain::ram, populated ? 1u : 0u);
                    if (populated)
                        finished = a.balloon.release(at).is_ok() && finished;
                }
                EXPECT_EQ(host.pins(), 0u);
                EXPECT_EQ(a.grants.entries_in_use(), 0u);
                host.failing.never();
            }
            EXPECT_EQ(host.frames.counts().free, free_before) << nth;
        }
    }
}

} // namespace
} // namespace ravelin

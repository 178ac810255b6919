// SPDX-License-Identifier: Apache-2.0
// The same from several CPUs at once: two domains map and copy what a third grants, while that
// one's entries flip and its memory is ballooned. Run under ThreadSanitizer by `cmake --preset
// tsan`.
#include <gtest/gtest.h>
#include <random>
#include <support/grant_world.hpp>
#include <thread>

namespace ravelin {
namespace {

using namespace hv;

constexpr u64 hole = 0x1000;
constexpr unsigned rounds = 4000;
constexpr u32 references = 6;

class Threads : public testing::Test {
  protected:
    static u64 below(std::mt19937& random, u64 limit) {
        return std::uniform_int_distribution<u64>{0, limit - 1}(random);
    }
    void use_grants(test::GrantDomain& by, unsigned seed) {
        std::mt19937 random{seed};
        for (unsigned i = 0; i < rounds; ++i) {
            const GrantRef reference{static_cast<u32>(below(random, references))};
            const GuestFrame at{hole + below(random, 4) + seed * 16};
            const Access access = below(random, 2) == 0 ? Access::read : Access::read_write;
            const auto handle = by.grants.map(at, granter.grants, reference, access);
            if (handle) {
                const auto frame = by.frame(at.raw());
                if (!frame || host.frames.info(*frame).owner != granter.domain.id() ||
                    host.frames.info(*frame).pins == 0)
                    wrong = true;
            }
            // Each thread copies into a page of its own.
            (void)by.grants
                .copy({&granter.grants, reference, {}, 0}, {nullptr, {}, GuestFrame{seed}, 0}, 64)
                .is_ok();
            if (handle && !by.grants.unmap(handle.value(), at.address()))
                wrong = true;
        }
    }
    void flip_entries() {
        std::mt19937 random{7};
        while (!done) {
            const auto reference = static_cast<u32>(below(random, references));
            if (below(random, 3) == 0)
                (void)granter.end_grant(reference);
            else
                granter.grant(reference,
                              static_cast<u16>(1 + below(random, 3)),
                              below(random, 8),
                              below(random, 4) == 0 ? below(random, 0x20) : 1);
        }
    }
    void inflate_and_deflate() {
        std::mt19937 random{8};
        while (!done) {
            const GuestFrame at{below(random, 8)};
            (void)granter.balloon.release(at).is_ok();
            (void)granter.balloon.populate(at).is_ok();
        }
    }

    test::Host host;
    test::Devices devices{host};
    test::GrantDomain granter{1, host, devices};
    test::GrantDomain one{2, host, devices};
    test::GrantDomain two{3, host, devices};
    std::atomic<bool> done{false};
    std::atomic<bool> wrong{false};
};

TEST_F(Threads, pins_balance_whatever_the_order) {
    std::thread flipping{[this] { flip_entries(); }};
    std::thread ballooning{[this] { inflate_and_deflate(); }};
    {
        // Two vCPUs of one domain, one of another.
        std::jthread first{[this] { use_grants(one, 1); }};
        std::jthread second{[this] { use_grants(one, 2); }};
        std::jthread third{[this] { use_grants(two, 3); }};
    }
    done = true;
    flipping.join();
    ballooning.join();
    EXPECT_FALSE(wrong);
    EXPECT_TRUE(devices.order_was_kept);
    EXPECT_EQ(host.pins(), 0u);
    EXPECT_EQ(granter.grants.entries_in_use(), 0u);
}

TEST_F(Threads, a_handle_is_undone_once) {
    for (unsigned i = 0; i < 300; ++i) {
        granter.grant(0, 2, 5);
        const auto handle =
            one.grants.map(GuestFrame{hole}, granter.grants, GrantRef{0}, Access::read);
        ASSERT_TRUE(handle.is_ok());
        std::atomic<unsigned> undone{0};
        const auto undo = [&] {
            if (one.grants.unmap(handle.value(), GuestFrame{hole}.address()))
                ++undone;
        };
        {
            std::jthread first{undo};
            std::jthread second{undo};
        }
        EXPECT_EQ(undone, 1u);
        EXPECT_EQ(host.pins(), 0u);
    }
}

} // namespace
} // namespace ravelin

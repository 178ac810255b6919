// SPDX-License-Identifier: Apache-2.0
// Several CPUs at once: two domains connect, send, mask and close while their guests take events
// off and scribble over the shared pages. Run under ThreadSanitizer by `cmake --preset tsan`.
#include <chrono>
#include <gtest/gtest.h>
#include <random>
#include <support/event_world.hpp>
#include <thread>

namespace ravelin {
namespace {

using namespace hv::events;
using test::EventDomain;

constexpr unsigned rounds = 20'000;
/// A ticket lock goes round slowly when there are more threads than CPUs.
constexpr std::chrono::seconds longest{2};

class EventThreads : public testing::Test {
  protected:
    /// One vCPU's operations of `own`, towards `peer`.
    void operate(EventDomain& own, EventDomain& peer, unsigned seed) {
        std::mt19937 random{seed};
        const auto end = std::chrono::steady_clock::now() + longest;
        for (unsigned i = 0; i < rounds && std::chrono::steady_clock::now() < end; ++i) {
            const EventPort port{static_cast<u32>(random() % 24)};
            switch (random() % 8) {
            case 0:
                (void)own.channels.with([&](Channels& c) { return c.allocate_unbound(peer.id); })
                    .is_ok();
                break;
            case 1:
                (void)test::with_both(own, peer, [&](Channels& a, Channels& b) {
                    return a.bind_interdomain(b, port);
                }).is_ok();
                break;
            case 2:
                (void)test::with_both(own, peer, [&](Channels& a, Channels& b) {
                    return a.close(port, peer.id, &b);
                }).is_ok();
                break;
            case 3:
                (void)own.channels.with([&](Channels& c) { return c.unmask(port); }).is_ok();
                break;
            case 4:
                (void)own.channels
                    .with([&](Channels& c) {
                        return c.bind_vcpu(port, VcpuId{static_cast<u32>(random() % 4)});
                    })
                    .is_ok();
                break;
            default:
                send(own, peer, port);
            }
        }
    }
    static void send(EventDomain& own, EventDomain& peer, EventPort port) {
        const auto onward = own.channels.with([&](Channels& c) { return c.send(port); });
        if (onward && onward.value().peer && onward.value().peer->domain == peer.id)
            peer.channels.with([&](Channels& c) {
                c.raise_from(End{own.id, port}, onward.value().peer->port);
            });
    }
    void scribble(EventDomain& domain, unsigned seed) {
        std::mt19937 random{seed};
        while (!done) {
            std::this_thread::yield();
            domain.event(static_cast<u32>(random() % 24)) = static_cast<u32>(random());
            std::atomic_ref{domain.pending[0]}.fetch_and(random());
            domain.word(0, static_cast<u32>(random() % 128)) = static_cast<u32>(random());
        }
    }
    /// Both ends of every connection name one another.
    static void expect_whole(EventDomain& one, EventDomain& other) {
        test::with_both(one, other, [&](Channels& a, Channels& b) {
            for (auto at = a.next_used(EventPort{0}); at;
                 at = a.next_used(EventPort{at->raw() + 1})) {
                const Port here = *a.port(*at);
                if (here.kind != PortKind::interdomain)
                    continue;
                const Port there = *b.port(EventPort{here.remote_port});
                EXPECT_EQ(there.kind, PortKind::interdomain);
                EXPECT_EQ(there.remote_port, at->raw());
            }
        });
    }
    void run() {
        std::thread guests[]{std::thread{[this] { scribble(one, 1); }},
                             std::thread{[this] { scribble(two, 2); }}};
        std::thread cpus[]{std::thread{[this] { operate(one, two, 3); }},
                           std::thread{[this] { operate(one, two, 4); }},
                           std::thread{[this] { operate(two, one, 5); }},
                           std::thread{[this] { operate(two, one, 6); }}};
        for (std::thread& cpu : cpus)
            cpu.join();
        done = true;
        for (std::thread& guest : guests)
            guest.join();
        expect_whole(one, two);
        expect_whole(two, one);
        EXPECT_TRUE(one.untouched(2) && two.untouched(2));
    }
    EventDomain one{1};
    EventDomain two{2};
    std::atomic<bool> done{false};
};

TEST_F(EventThreads, two_level_channels_stay_whole) {
    run();
}

TEST_F(EventThreads, fifo_channels_stay_whole) {
    one.use_fifo();
    two.use_fifo();
    run();
}

} // namespace
} // namespace ravelin

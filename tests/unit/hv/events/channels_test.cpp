// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <support/event_world.hpp>
#include <thread>

namespace ravelin {
namespace {

using namespace hv::events;
using test::EventDomain;

constexpr u32 pending = 1u << 31;
constexpr u32 linked = 1u << 29;
constexpr u32 link_mask = (1u << 17) - 1;

class ChannelsTest : public testing::Test {
  protected:
    template <typename F> auto with(F&& body) { return domain.channels.with(body); }
    u32 bind_ipi(u32 vcpu = 0) {
        return with([&](Channels& c) { return c.bind_inter_processor(VcpuId{vcpu}); })
            .value()
            .raw();
    }
    void raise(u32 port) {
        with([&](Channels& c) { c.raise(EventPort{port}); });
    }
    u32 head(u32 vcpu, u32 priority) { return domain.word(0, vcpu * 32 + 2 + priority); }
    /// Takes a queue off as a guest does.
    std::vector<u32> consume(u32 vcpu, u32 priority = default_priority) {
        std::vector<u32> taken;
        for (u32 port = head(vcpu, priority); port != 0;) {
            const u32 word = domain.event(port);
            taken.push_back(port);
            domain.event(port) = word & ~(pending | linked | link_mask);
            port = word & link_mask;
        }
        domain.word(0, vcpu * 32) = 0;
        return taken;
    }
    EventDomain domain{1};
};

TEST_F(ChannelsTest, ports_are_given_from_the_lowest_up_to_each_abis_end) {
    u32 count = 0;
    while (with([](Channels& c) { return c.bind_inter_processor(VcpuId{0}); }))
        ++count;
    EXPECT_EQ(count, Channels::two_level_ports - 1);
    with([](Channels& c) {
        EXPECT_EQ(c.allocate_unbound(DomainId{2}).error(), Error::out_of_ports);
        EXPECT_TRUE(c.close(EventPort{77}, DomainId{1}, &c).is_ok());
        EXPECT_EQ(c.allocate_unbound(DomainId{2}).value(), EventPort{77});
    });
    domain.use_fifo(0);
    while (with([](Channels& c) { return c.bind_inter_processor(VcpuId{0}); }))
        ++count;
    EXPECT_EQ(count, PortTable::most_ports - 1);
    EXPECT_EQ(domain.pages.in_use, 513u) << "2 MiB and the table's root";
}

// Else a guest that calls everything pending makes each of its bindings look at every port, under
// its peer's lock too.
TEST_F(ChannelsTest, the_search_for_a_port_passes_few_that_the_guest_calls_pending) {
    for (u64& word : domain.pending)
        word = ~u64{0};
    with([](Channels& c) {
        EXPECT_EQ(c.allocate_unbound(DomainId{2}).error(), Error::out_of_ports);
    });
    domain.pending[3] = 0;
    with([](Channels& c) { EXPECT_EQ(c.allocate_unbound(DomainId{2}).value(), EventPort{192}); });
    domain.pending[3] = ~u64{0};
    domain.pending[5] = 0;
    with([](Channels& c) {
        EXPECT_EQ(c.allocate_unbound(DomainId{2}).error(), Error::out_of_ports);
    });
}

TEST_F(ChannelsTest, each_missing_page_is_an_error_and_nothing_is_lost) {
    for (u64 budget = 0; budget < 2; ++budget) {
        EventDomain poor{2};
        poor.pages.budget = budget;
        poor.channels.with([](Channels& c) {
            EXPECT_EQ(c.bind_virtual_interrupt(0, VcpuId{0}).error(), Error::out_of_frames);
        });
        poor.pages.budget = 2;
        poor.channels.with([](Channels& c) {
            EXPECT_TRUE(c.bind_virtual_interrupt(0, VcpuId{0}).is_ok()) << "not bound before";
        });
    }
}

TEST_F(ChannelsTest, virtual_interrupts_of_a_vcpu_and_of_the_domain) {
    with([](Channels& c) {
        EXPECT_TRUE(c.bind_virtual_interrupt(0, VcpuId{2}).is_ok());
        EXPECT_EQ(c.bind_virtual_interrupt(0, VcpuId{2}).error(), Error::exists);
        EXPECT_TRUE(c.bind_virtual_interrupt(0, VcpuId{3}).is_ok());
        EXPECT_EQ(c.bind_virtual_interrupt(2, VcpuId{1}).error(), Error::invalid);
        const EventPort console = c.bind_virtual_interrupt(2, VcpuId{0}).value();
        EXPECT_TRUE(c.bind_vcpu(console, VcpuId{1}).is_ok());
        EXPECT_EQ(c.bind_vcpu(EventPort{1}, VcpuId{1}).error(), Error::invalid);
        c.raise_virtual_interrupt(2, VcpuId{0});
        EXPECT_TRUE(c.close(console, DomainId{1}, &c).is_ok());
        EXPECT_TRUE(c.bind_virtual_interrupt(2, VcpuId{0}).is_ok());
    });
    EXPECT_EQ(domain.notified[1], 1u);
    EXPECT_EQ(domain.notified[0], 0u);
}

TEST_F(ChannelsTest, fifo_queues_by_vcpu_and_priority_in_order) {
    domain.use_fifo();
    const u32 a = bind_ipi(1);
    const u32 b = bind_ipi(1);
    const u32 c = bind_ipi(2);
    for (const u32 port : {a, b, c, a})
        raise(port);
    EXPECT_EQ(consume(1), (std::vector{a, b}));
    EXPECT_EQ(consume(2), std::vector{c});
    EXPECT_EQ(domain.notified[1], 1u) << "ready already: told once";
}

TEST_F(ChannelsTest, an_event_that_moves_leaves_no_tail_behind) {
    domain.use_fifo();
    const u32 a = bind_ipi(0);
    const u32 b = bind_ipi(0);
    raise(a);
    EXPECT_EQ(consume(0), std::vector{a});
    with([&](Channels& c) { EXPECT_TRUE(c.set_priority(EventPort{a}, 3).is_ok()); });
    raise(a);
    raise(b); // must not be linked behind a, which waits in another queue now
    EXPECT_EQ(consume(0, 3), std::vector{a});
    EXPECT_EQ(consume(0), std::vector{b});
}

TEST_F(ChannelsTest, a_port_used_anew_leaves_no_tail_behind) {
    domain.use_fifo();
    const u32 a = bind_ipi(0);
    raise(a);
    EXPECT_EQ(consume(0), std::vector{a});
    with([&](Channels& c) { EXPECT_TRUE(c.close(EventPort{a}, DomainId{1}, &c).is_ok()); });
    EXPECT_EQ(bind_ipi(1), a);
    raise(a);
    const u32 b = bind_ipi(0);
    raise(b);
    EXPECT_EQ(consume(1), std::vector{a});
    EXPECT_EQ(consume(0), std::vector{b});
}

TEST_F(ChannelsTest, a_port_still_linked_is_not_given_out) {
    domain.use_fifo();
    const u32 a = bind_ipi();
    raise(a);
    with([&](Channels& c) { EXPECT_TRUE(c.close(EventPort{a}, DomainId{1}, &c).is_ok()); });
    EXPECT_NE(bind_ipi(), a);
    EXPECT_EQ(domain.event(a) & pending, 0u);
    EXPECT_EQ(consume(0), std::vector{a});
    EXPECT_EQ(bind_ipi(), a);
}

TEST_F(ChannelsTest, what_is_raised_before_its_page_comes_with_it) {
    domain.use_fifo(0);
    const u32 port = bind_ipi();
    raise(port);
    with([&](Channels& c) {
        EXPECT_TRUE(c.is_pending(EventPort{port}));
        EXPECT_TRUE(c.add_event_page(HostFrame{1}).is_ok());
    });
    EXPECT_EQ(consume(0), std::vector{port});
}

TEST_F(ChannelsTest, hostile_words_lead_nowhere) {
    domain.use_fifo();
    const u32 a = bind_ipi();
    const u32 b = bind_ipi();
    raise(a);
    domain.event(a) = linked | pending | link_mask; // "after me comes port 131,071"
    raise(b);
    EXPECT_EQ(domain.event(a) & link_mask, b);
    domain.event(b) = 0; // never consumed, yet not linked
    raise(a);
    raise(b);
    for (u32 i = 0; i < 32; ++i)
        domain.word(0, i) = ~0u;
    raise(a);
    EXPECT_TRUE(domain.untouched(2));
}

TEST_F(ChannelsTest, a_guest_that_keeps_writing_a_tail_does_not_hold_the_hypervisor) {
    domain.use_fifo();
    const u32 a = bind_ipi();
    const u32 b = bind_ipi();
    std::atomic<bool> done{false};
    std::thread guest{[&] {
        for (u32 i = 0; !done; ++i)
            domain.event(a) = linked | (i & link_mask);
    }};
    for (u32 i = 0; i < 2000; ++i) {
        raise(a);
        domain.event(b) = 0;
        raise(b);
    }
    done = true;
    guest.join();
    EXPECT_TRUE(domain.untouched(2));
}

TEST_F(ChannelsTest, reset_gives_back_what_was_registered) {
    domain.use_fifo(3);
    for (u32 i = 0; i < 600; ++i)
        bind_ipi();
    u32 unpinned = 0;
    with([&](Channels& c) {
        for (auto port = c.next_used(EventPort{0}); port; port = c.next_used(*port))
            EXPECT_TRUE(c.close(*port, DomainId{1}, &c).is_ok());
        c.reset([&](HostFrame) { ++unpinned; });
        EXPECT_FALSE(c.uses_fifo());
    });
    EXPECT_EQ(unpinned, EventDomain::vcpus + 3);
    EXPECT_EQ(domain.pages.in_use, 0u);
    EXPECT_EQ(bind_ipi(), 1u);
}

} // namespace
} // namespace ravelin

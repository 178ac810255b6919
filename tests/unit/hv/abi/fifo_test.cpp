// SPDX-License-Identifier: Apache-2.0
// The FIFO ABI through hypercalls, and channels between two domains.
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

constexpr u32 pending = 1u << EVTCHN_FIFO_PENDING;
constexpr u32 masked = 1u << EVTCHN_FIFO_MASKED;
constexpr u32 linked = 1u << EVTCHN_FIFO_LINKED;

template <typename T> i64 event(AbiWorld& world, u64 operation, T& request) {
    return world.call_with(__HYPERVISOR_event_channel_op, operation, request);
}
template <typename T> i64 event(AbiWorld& world, u64 operation, T&& request) {
    return event(world, operation, request);
}

/// What Linux does with its queues, on pages of AbiWorld.
class Guest {
  public:
    explicit Guest(AbiWorld& domain) : world{domain} {
        xen_hvm_evtchn_upcall_vector vector{0, upcall};
        EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, vector), 0);
        world.deliver();
        world.lapic.raised.clear();
    }
    void use_fifo() {
        evtchn_init_control control{control_frame, 0, 0, 0, {}};
        EXPECT_EQ(event(world, EVTCHNOP_init_control, control), 0);
        EXPECT_EQ(control.link_bits, EVTCHN_FIFO_LINK_BITS);
        EXPECT_EQ(event(world, EVTCHNOP_expand_array, evtchn_expand_array{array_frame}), 0);
    }
    u32 bind_ipi() {
        evtchn_bind_ipi request{0, 0};
        EXPECT_EQ(event(world, EVTCHNOP_bind_ipi, request), 0);
        return request.port;
    }
    i64 send(u32 port) { return event(world, EVTCHNOP_send, evtchn_send{port}); }
    u32 word(u32 port) { return world.get<u32>(array_frame * page_size + port * 4); }
    void set_word(u32 port, u32 value) { world.put(array_frame * page_size + port * 4, value); }
    u32 ready() { return world.get<u32>(control_frame * page_size); }
    /// Takes every event off, highest priority first.
    std::vector<u32> consume() {
        std::vector<u32> taken;
        auto block = world.get<evtchn_fifo_control_block>(control_frame * page_size);
        for (u32 priority = 0; priority < EVTCHN_FIFO_MAX_QUEUES; ++priority) {
            if ((block.ready >> priority & 1) == 0)
                continue;
            for (u32 port = block.head[priority]; port != 0;) {
                const u32 value = word(port);
                set_word(port, value & ~(pending | linked | EVTCHN_FIFO_LINK_MASK));
                if ((value & masked) == 0)
                    taken.push_back(port);
                port = value & EVTCHN_FIFO_LINK_MASK;
            }
        }
        world.put(control_frame * page_size, u32{0});
        world.put(0x20 * page_size, u8{0}); // the upcall flag, where shared_info is shown
        return taken;
    }
    void show_shared_info() {
        xen_add_to_physmap request{DOMID_SELF, 0, XENMAPSPACE_shared_info, 0, 0x20};
        EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, request), 0);
    }

    static constexpr u64 control_frame = 0x30;
    static constexpr u64 array_frame = 0x31;
    static constexpr u8 upcall = 0xf3;
    AbiWorld& world;
};

class FifoAbi : public testing::Test {
  protected:
    FifoAbi() {
        guest.show_shared_info();
        guest.use_fifo();
    }
    AbiWorld world;
    Guest guest{world};
};

TEST_F(FifoAbi, events_come_by_priority_and_in_the_order_sent) {
    const u32 a = guest.bind_ipi();
    const u32 b = guest.bind_ipi();
    const u32 c = guest.bind_ipi();
    EXPECT_EQ(event(world, EVTCHNOP_set_priority, evtchn_set_priority{c, 0}), 0);
    for (const u32 port : {a, b, c, a})
        EXPECT_EQ(guest.send(port), 0);
    EXPECT_EQ(guest.ready(), 1u << 0 | 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    world.deliver();
    EXPECT_EQ(world.lapic.raised, std::vector{Vector{Guest::upcall}});
    EXPECT_EQ(guest.consume(), (std::vector{c, a, b}));
    EXPECT_EQ(guest.send(b), 0);
    EXPECT_EQ(guest.send(b), 0);
    EXPECT_EQ(guest.consume(), std::vector{b});
}

TEST_F(FifoAbi, a_masked_event_is_queued_by_unmask) {
    const u32 port = guest.bind_ipi();
    guest.set_word(port, masked);
    EXPECT_EQ(guest.send(port), 0);
    EXPECT_EQ(guest.word(port), masked | pending);
    EXPECT_EQ(guest.ready(), 0u);
    EXPECT_EQ(event(world, EVTCHNOP_unmask, evtchn_unmask{port}), 0);
    EXPECT_EQ(guest.consume(), std::vector{port});
}

TEST_F(FifoAbi, bad_arguments_get_their_errno) {
    evtchn_init_control again{Guest::control_frame, 0, 0, 0, {}};
    EXPECT_EQ(event(world, EVTCHNOP_init_control, again), -XEN_EINVAL) << "registered already";
    again.vcpu = 1;
    EXPECT_EQ(event(world, EVTCHNOP_init_control, again), -XEN_ENOENT);
    for (const evtchn_init_control& bad : {evtchn_init_control{~u64{0}, 0, 0, 0, {}},
                                           {Guest::control_frame, 4, 0, 0, {}},
                                           {Guest::control_frame, 4096 - 64, 0, 0, {}},
                                           {Guest::control_frame, ~0u, 0, 0, {}}})
        EXPECT_EQ(event(world, EVTCHNOP_init_control, evtchn_init_control{bad}), -XEN_EINVAL);
    EXPECT_EQ(event(world, EVTCHNOP_expand_array, evtchn_expand_array{0x4000}), -XEN_EINVAL);
    EXPECT_EQ(event(world, EVTCHNOP_set_priority, evtchn_set_priority{9, 0}), -XEN_EINVAL);
    const u32 port = guest.bind_ipi();
    EXPECT_EQ(event(world, EVTCHNOP_set_priority, evtchn_set_priority{port, 16}), -XEN_EINVAL);
    AbiWorld plain;
    EXPECT_EQ(event(plain, EVTCHNOP_expand_array, evtchn_expand_array{0x31}), -XEN_EOPNOTSUPP);
    evtchn_bind_ipi ipi{0, 0};
    EXPECT_EQ(event(plain, EVTCHNOP_bind_ipi, ipi), 0);
    EXPECT_EQ(event(plain, EVTCHNOP_set_priority, evtchn_set_priority{ipi.port, 1}), -XEN_ENOSYS);
}

TEST_F(FifoAbi, reset_returns_to_two_levels) {
    const u32 port = guest.bind_ipi();
    EXPECT_EQ(event(world, EVTCHNOP_reset, evtchn_reset{DOMID_SELF}), 0);
    EXPECT_EQ(guest.send(port), -XEN_EINVAL);
    EXPECT_EQ(guest.send(guest.bind_ipi()), 0);
    EXPECT_EQ(guest.ready(), 0u);
    EXPECT_NE(world.get<shared_info>(0x20 * page_size).evtchn_pending[0], 0u);
    guest.use_fifo(); // as a kernel started by kexec does
    EXPECT_EQ(guest.consume(), std::vector{port})
        << "what was pending the old way comes the new way";
}

/// Two domains that find one another.
class TwoDomains : public testing::Test, public domain::Directory {
  protected:
    domain::Reference find(DomainId id) override {
        for (AbiWorld* world : {&low, &high, &other_label})
            if (world->guest.id() == id && world != gone)
                return domain::Reference{world->guest};
        return {};
    }
    /// A port of `low` that `high` has bound; the pair.
    std::pair<u32, u32> connect() {
        evtchn_alloc_unbound unbound{DOMID_SELF, 5, 0};
        EXPECT_EQ(event(low, EVTCHNOP_alloc_unbound, unbound), 0);
        evtchn_bind_interdomain bind{2, unbound.port, 0};
        EXPECT_EQ(event(high, EVTCHNOP_bind_interdomain, bind), 0);
        return {unbound.port, bind.local_port};
    }
    static evtchn_status status(AbiWorld& world, u32 port) {
        evtchn_status request{};
        request.dom = DOMID_SELF;
        request.port = port;
        EXPECT_EQ(event(world, EVTCHNOP_status, request), 0);
        return request;
    }
    AbiWorld low{domain::Role::guest, nullptr, this, DomainId{2}};
    AbiWorld high{domain::Role::domain0, nullptr, this, DomainId{5}};
    AbiWorld other_label{domain::Role::guest, nullptr, this, DomainId{7}, LabelId{1}};
    const AbiWorld* gone{};
};

TEST_F(TwoDomains, events_go_both_ways) {
    Guest a{low};
    Guest b{high};
    a.show_shared_info();
    b.show_shared_info();
    a.use_fifo(); // one of each ABI
    const auto [here, there] = connect();
    EXPECT_EQ(status(high, there).u.interdomain.dom, 2);
    EXPECT_EQ(status(low, here).u.interdomain.port, there);
    EXPECT_EQ(high.get<shared_info>(0x20 * page_size).evtchn_pending[0], u64{1} << there);
    EXPECT_EQ(b.send(there), 0);
    EXPECT_EQ(a.consume(), std::vector{here});
    high.put(0x20 * page_size + offsetof(shared_info, evtchn_pending), u64{0});
    EXPECT_EQ(a.send(here), 0);
    EXPECT_EQ(high.get<shared_info>(0x20 * page_size).evtchn_pending[0], u64{1} << there);
    EXPECT_EQ(low.guest.users() + high.guest.users(), 0u);
}

TEST_F(TwoDomains, closing_leaves_the_peer_unbound_from_either_side) {
    const auto [here, there] = connect();
    EXPECT_EQ(event(high, EVTCHNOP_close, evtchn_close{there}), 0);
    EXPECT_EQ(status(low, here).status, u32{EVTCHNSTAT_unbound});
    EXPECT_EQ(status(low, here).u.unbound.dom, 5);
    EXPECT_EQ(status(high, there).status, u32{EVTCHNSTAT_closed});
    evtchn_bind_interdomain again{2, here, 0};
    EXPECT_EQ(event(high, EVTCHNOP_bind_interdomain, again), 0);
    EXPECT_EQ(event(low, EVTCHNOP_close, evtchn_close{here}), 0);
    EXPECT_EQ(status(high, again.local_port).status, u32{EVTCHNSTAT_unbound});
    EXPECT_EQ(status(high, again.local_port).u.unbound.dom, 2);
}

TEST_F(TwoDomains, only_the_named_domain_binds_and_only_once) {
    evtchn_alloc_unbound for_third{DOMID_SELF, 9, 0};
    EXPECT_EQ(event(low, EVTCHNOP_alloc_unbound, for_third), 0);
    EXPECT_EQ(event(high, EVTCHNOP_bind_interdomain, evtchn_bind_interdomain{2, for_third.port, 0}),
              -XEN_EINVAL);
    const auto [here, there] = connect();
    for (const u32 port : {here, there, 0u, 4096u, ~0u})
        EXPECT_EQ(event(high, EVTCHNOP_bind_interdomain, evtchn_bind_interdomain{2, port, 0}),
                  -XEN_EINVAL);
    EXPECT_EQ(event(high, EVTCHNOP_bind_interdomain, evtchn_bind_interdomain{8, here, 0}),
              -XEN_ESRCH);
    evtchn_status other{};
    other.dom = 2;
    other.port = here;
    EXPECT_EQ(event(high, EVTCHNOP_status, other), -XEN_EPERM);
    EXPECT_EQ(event(high, EVTCHNOP_alloc_unbound, evtchn_alloc_unbound{2, DOMID_SELF, 0}),
              -XEN_EPERM);
    EXPECT_EQ(event(high, EVTCHNOP_reset, evtchn_reset{2}), -XEN_EPERM);
}

TEST_F(TwoDomains, another_label_is_joined_through_domain_0_only) {
    evtchn_alloc_unbound unbound{DOMID_SELF, 7, 0};
    EXPECT_EQ(event(low, EVTCHNOP_alloc_unbound, unbound), 0);
    evtchn_bind_interdomain bind{2, unbound.port, 0};
    EXPECT_EQ(event(other_label, EVTCHNOP_bind_interdomain, bind), -XEN_EPERM);
    EXPECT_EQ(event(high, EVTCHNOP_alloc_unbound, unbound), 0);
    bind = {5, unbound.port, 0};
    EXPECT_EQ(event(other_label, EVTCHNOP_bind_interdomain, bind), 0);
}

TEST_F(TwoDomains, a_dying_domain_leaves_its_peers_unbound_and_its_pages_free) {
    const auto [here, there] = connect();
    gone = &high; // the directory answers no more
    EXPECT_EQ(Guest{low}.send(here), 0) << "dropped";
    EXPECT_TRUE(high.xen.let_go(high.guest));
    EXPECT_EQ(status(low, here).status, u32{EVTCHNSTAT_unbound});
    EXPECT_EQ(high.memory.released, 2u) << "the table of ports";
    EXPECT_EQ(event(low, EVTCHNOP_close, evtchn_close{here}), 0);
}

TEST_F(TwoDomains, closing_towards_a_gone_peer_works) {
    const auto [here, there] = connect();
    gone = &high;
    EXPECT_EQ(event(low, EVTCHNOP_close, evtchn_close{here}), 0);
    EXPECT_EQ(status(low, here).status, u32{EVTCHNSTAT_closed});
    EXPECT_TRUE(high.xen.let_go(high.guest)); // finds its peer's end closed
    EXPECT_EQ(high.memory.released, 2u);
}

} // namespace
} // namespace ravelin

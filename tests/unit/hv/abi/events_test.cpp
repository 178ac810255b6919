// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

class Events : public testing::Test {
  protected:
    Events() {
        xen_add_to_physmap request{DOMID_SELF, 0, XENMAPSPACE_shared_info, 0, shared_frame};
        EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, request), 0);
        xen_hvm_evtchn_upcall_vector vector{0, upcall};
        EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, vector), 0);
        world.deliver();
        EXPECT_TRUE(world.lapic.raised.empty());
    }
    template <typename T> i64 event(u64 operation, T& request) {
        return world.call_with(__HYPERVISOR_event_channel_op, operation, request);
    }
    u32 bind_ipi() {
        evtchn_bind_ipi request{0, 0};
        EXPECT_EQ(event(EVTCHNOP_bind_ipi, request), 0);
        return request.port;
    }
    u32 bind_virq(u32 virq) {
        evtchn_bind_virq request{virq, 0, 0};
        EXPECT_EQ(event(EVTCHNOP_bind_virq, request), 0);
        return request.port;
    }
    i64 send(u32 port) {
        evtchn_send request{port};
        return event(EVTCHNOP_send, request);
    }
    shared_info seen() { return world.get<shared_info>(shared_frame * page_size); }
    void set_mask(u64 word) {
        world.put(shared_frame * page_size + offsetof(shared_info, evtchn_mask), word);
    }
    /// What a guest does in its upcall.
    void acknowledge() {
        world.put(shared_frame * page_size, u8{0});
        world.put(shared_frame * page_size + offsetof(vcpu_info, evtchn_pending_sel), u64{0});
        world.put(shared_frame * page_size + offsetof(shared_info, evtchn_pending), u64{0});
        world.lapic.raised.clear();
    }

    static constexpr u64 shared_frame = 0x20;
    static constexpr u8 upcall = 0xf3;
    AbiWorld world;
};

TEST_F(Events, a_sent_event_becomes_the_upcall_vector) {
    const u32 port = bind_ipi();
    EXPECT_EQ(send(port), 0);
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << port);
    EXPECT_EQ(seen().vcpu_info[0].evtchn_pending_sel, 1u);
    EXPECT_EQ(seen().vcpu_info[0].evtchn_upcall_pending, 1);
    world.deliver();
    EXPECT_EQ(world.lapic.raised, std::vector{Vector{upcall}});
    EXPECT_EQ(send(port), 0);
    world.deliver();
    EXPECT_EQ(world.lapic.raised.size(), 1u) << "pending already: no second upcall";
    acknowledge();
    EXPECT_EQ(send(port), 0);
    world.deliver();
    EXPECT_EQ(world.lapic.raised.size(), 1u);
}

TEST_F(Events, a_masked_event_waits_for_unmask) {
    const u32 port = bind_ipi();
    set_mask(~u64{0});
    EXPECT_EQ(send(port), 0);
    world.deliver();
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << port);
    EXPECT_EQ(seen().vcpu_info[0].evtchn_upcall_pending, 0);
    evtchn_unmask unmask{port};
    EXPECT_EQ(event(EVTCHNOP_unmask, unmask), 0);
    EXPECT_EQ(seen().evtchn_mask[0], ~(u64{1} << port));
    world.deliver();
    EXPECT_EQ(world.lapic.raised.size(), 1u);
}

TEST_F(Events, virtual_interrupts_bind_once_and_the_timer_reaches_its_port) {
    const u32 port = bind_virq(VIRQ_TIMER);
    evtchn_bind_virq again{VIRQ_TIMER, 0, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_virq, again), -XEN_EEXIST);
    evtchn_bind_virq unknown{NR_VIRQS, 0, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_virq, unknown), -XEN_EINVAL);
    evtchn_bind_virq absent{VIRQ_DEBUG, 1, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_virq, absent), -XEN_ENOENT);
    world.xen.timer_expired(world.vcpu);
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << port);
    EXPECT_EQ(send(port), -XEN_EINVAL) << "a virtual interrupt is the hypervisor's to send";
    acknowledge();
    evtchn_close close{port};
    EXPECT_EQ(event(EVTCHNOP_close, close), 0);
    EXPECT_EQ(event(EVTCHNOP_close, close), -XEN_EINVAL);
    world.xen.timer_expired(world.vcpu);
    EXPECT_EQ(seen().evtchn_pending[0], 0u);
}

TEST_F(Events, the_console_interrupt_goes_where_it_is_bound) {
    world.xen.raise_virtual_interrupt(world.guest, VIRQ_CONSOLE);
    EXPECT_EQ(seen().evtchn_pending[0], 0u);
    const u32 port = bind_virq(VIRQ_CONSOLE);
    world.xen.raise_virtual_interrupt(world.guest, VIRQ_CONSOLE);
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << port);
}

TEST_F(Events, a_domain_without_others_joins_its_own_ports) {
    evtchn_alloc_unbound unbound{DOMID_SELF, DOMID_SELF, 0};
    EXPECT_EQ(event(EVTCHNOP_alloc_unbound, unbound), 0);
    evtchn_bind_interdomain foreign{0, unbound.port, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_interdomain, foreign), -XEN_ESRCH);
    evtchn_alloc_unbound for_other{0, DOMID_SELF, 0};
    EXPECT_EQ(event(EVTCHNOP_alloc_unbound, for_other), -XEN_EPERM);
    evtchn_bind_interdomain own{DOMID_SELF, unbound.port, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_interdomain, own), 0);
    evtchn_status status{};
    status.dom = DOMID_SELF;
    status.port = own.local_port;
    EXPECT_EQ(event(EVTCHNOP_status, status), 0);
    EXPECT_EQ(status.status, u32{EVTCHNSTAT_interdomain});
    EXPECT_EQ(status.u.interdomain.port, unbound.port);
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << own.local_port) << "in case the peer sent before";
    acknowledge();
    EXPECT_EQ(send(own.local_port), 0);
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << unbound.port);
    evtchn_close close{own.local_port};
    EXPECT_EQ(event(EVTCHNOP_close, close), 0);
    status.port = unbound.port;
    EXPECT_EQ(event(EVTCHNOP_status, status), 0);
    EXPECT_EQ(status.status, u32{EVTCHNSTAT_unbound});
}

TEST_F(Events, a_port_for_another_domain_cannot_be_bound_by_ourselves) {
    evtchn_alloc_unbound unbound{DOMID_SELF, 7, 0};
    EXPECT_EQ(event(EVTCHNOP_alloc_unbound, unbound), 0);
    evtchn_bind_interdomain own{DOMID_SELF, unbound.port, 0};
    EXPECT_EQ(event(EVTCHNOP_bind_interdomain, own), -XEN_EINVAL);
    EXPECT_EQ(send(unbound.port), 0) << "dropped: nobody listens";
}

TEST_F(Events, ports_out_of_range_and_port_zero_are_refused) {
    for (const u32 port : {0u, 1023u, 1024u, 4096u, ~0u}) {
        EXPECT_EQ(send(port), -XEN_EINVAL) << port;
        evtchn_close close{port};
        EXPECT_EQ(event(EVTCHNOP_close, close), -XEN_EINVAL) << port;
    }
    for (const u32 port : {4096u, ~0u}) {
        evtchn_unmask unmask{port};
        EXPECT_EQ(event(EVTCHNOP_unmask, unmask), -XEN_EINVAL);
    }
}

TEST_F(Events, ports_run_out_with_an_error_and_reset_gives_them_back) {
    i64 result = 0;
    for (u32 i = 0; result == 0 && i < 5000; ++i) {
        evtchn_bind_ipi request{0, 0};
        result = event(EVTCHNOP_bind_ipi, request);
    }
    EXPECT_EQ(result, -XEN_ENOSPC);
    evtchn_reset other{0};
    EXPECT_EQ(event(EVTCHNOP_reset, other), -XEN_EPERM);
    evtchn_reset reset{DOMID_SELF};
    EXPECT_EQ(event(EVTCHNOP_reset, reset), 0);
    EXPECT_EQ(bind_ipi(), 1u);
}

TEST_F(Events, vcpu_info_moves_with_what_is_pending) {
    const u32 port = bind_ipi();
    EXPECT_EQ(send(port), 0);
    vcpu_register_vcpu_info where{0x11, 0x40, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, where, 2), 0);
    const auto info = world.get<vcpu_info>(0x11040);
    EXPECT_EQ(info.evtchn_upcall_pending, 1);
    EXPECT_EQ(info.evtchn_pending_sel, 1u);
    EXPECT_EQ(info.time.version % 2, 0u);
    world.deliver();
    EXPECT_EQ(world.lapic.raised, std::vector{Vector{upcall}});
    for (const vcpu_register_vcpu_info& bad : {vcpu_register_vcpu_info{0x11, 0xfe0, 0},
                                               {0x11, 0x41, 0},
                                               {0x11, ~0u, 0},
                                               {0x4000, 0, 0},
                                               {~u64{0}, 0, 0}}) {
        auto request = bad;
        EXPECT_EQ(world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, request, 2),
                  -XEN_EINVAL);
    }
    where = {0x12, 0, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, where, 2),
              -XEN_EINVAL)
        << "once";
    const auto frame = world.guest.memory().frame(GuestFrame{0x12}, Access::read);
    EXPECT_EQ(world.frames.allocator.info(frame.value()).pins, 0);
}

struct RecordingConsumer final : hv::events::HypervisorPort {
    explicit RecordingConsumer(abi::XenAbi& abi) : xen{abi} {}
    void notified(domain::Domain& domain, EventPort port) override {
        heard.push_back(port.raw());
        xen.notify(domain, port); // from here, too
    }
    abi::XenAbi& xen;
    std::vector<u32> heard;
};

TEST_F(Events, the_hypervisor_is_a_peer_that_the_guest_cannot_take_down) {
    RecordingConsumer consumer{world.xen};
    const auto made = world.xen.allocate_hypervisor_port(world.guest, consumer);
    ASSERT_TRUE(made.is_ok());
    const u32 port = made.value().raw();
    EXPECT_EQ(send(port), 0);
    EXPECT_EQ(consumer.heard, std::vector{port});
    EXPECT_EQ(seen().evtchn_pending[0], u64{1} << port);
    evtchn_close close{port};
    EXPECT_EQ(event(EVTCHNOP_close, close), -XEN_EINVAL);
    evtchn_status status{};
    status.dom = DOMID_SELF;
    status.port = port;
    EXPECT_EQ(event(EVTCHNOP_status, status), -XEN_EACCES);
}

TEST_F(Events, an_upcall_vector_below_the_interrupts_is_refused) {
    xen_hvm_evtchn_upcall_vector vector{0, 0x0f};
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, vector),
              -XEN_EINVAL);
    vector = {1, 0xf3};
    EXPECT_EQ(world.call_with(__HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, vector),
              -XEN_ENOENT);
}

TEST_F(Events, poll_sleeps_until_a_masked_port_is_raised) {
    const u32 port = bind_ipi();
    set_mask(~u64{0});
    constexpr u64 ports_at = 0x9000;
    world.put(ports_at, port);
    sched_poll request{};
    // SAFETY: a guest address, never followed here.
    request.ports.p = reinterpret_cast<evtchn_port_t*>(ports_at);
    request.nr_ports = 129;
    EXPECT_EQ(world.call_with(__HYPERVISOR_sched_op, SCHEDOP_poll, request), -XEN_EINVAL);
    request.nr_ports = 1;
    (void)world.vcpu.take_rest();
    (void)world.vcpu.take_attention(domain::Vcpu::everything);
    EXPECT_EQ(world.call_with(__HYPERVISOR_sched_op, SCHEDOP_poll, request), 0);
    EXPECT_EQ(world.vcpu.take_rest(), domain::Rest::block);
    (void)world.vcpu.take_attention(domain::Vcpu::everything);
    EXPECT_EQ(send(port), 0);
    EXPECT_TRUE(world.vcpu.must_look());
    // What is pending already does not sleep.
    EXPECT_EQ(world.call_with(__HYPERVISOR_sched_op, SCHEDOP_poll, request), 0);
    EXPECT_EQ(world.vcpu.take_rest(), domain::Rest::none);
}

} // namespace
} // namespace ravelin

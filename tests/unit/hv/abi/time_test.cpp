// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

class Time : public testing::Test {
  protected:
    /// The guest's side of pvclock. [xen/xen.h, struct vcpu_time_info]
    static u64 system_time(const vcpu_time_info& info, u64 guest_tsc) {
        u64 delta = guest_tsc - info.tsc_timestamp;
        delta = info.tsc_shift >= 0 ? delta << info.tsc_shift : delta >> -info.tsc_shift;
        return info.system_time +
               static_cast<u64>(static_cast<unsigned __int128>(delta) * info.tsc_to_system_mul >>
                                32);
    }
    i64 singleshot(u64 nanoseconds, u32 flags = 0) {
        vcpu_set_singleshot_timer request{nanoseconds, flags};
        return world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, request, 2);
    }
    AbiWorld world;
};

TEST_F(Time, the_guest_computes_nanoseconds_from_its_tsc) {
    world.virtual_cpu.set_tsc_offset(77);
    vcpu_register_vcpu_info where{0x11, 0, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, where, 2), 0);
    const auto info = world.get<vcpu_info>(0x11000);
    const u64 start = 1'000'000;
    // 2 GHz: 2,000,000,000 ticks are one second.
    EXPECT_NEAR(static_cast<double>(system_time(info.time, start + 77 + 2'000'000'000)), 1e9, 2);
    EXPECT_EQ(info.time.flags, XEN_PVCLOCK_TSC_STABLE_BIT);
}

TEST_F(Time, a_second_copy_of_the_time_goes_where_asked) {
    u64 address = 0x12040;
    EXPECT_EQ(
        world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, address, 2),
        0);
    EXPECT_NE(world.get<vcpu_time_info>(0x12040).tsc_to_system_mul, 0u);
    address = AbiWorld::ram_bytes;
    EXPECT_NE(
        world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, address, 2),
        0);
    address = 0x12ff8;
    EXPECT_EQ(
        world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, address, 2),
        -XEN_EINVAL)
        << "must not cross a page";
}

TEST_F(Time, the_singleshot_timer_is_a_host_deadline) {
    EXPECT_EQ(singleshot(1'000'000), 0);
    EXPECT_EQ(world.vcpu.timer_deadline(), cpu::Tsc{1'000'000 + 2'000'000});
    EXPECT_EQ(world.call(__HYPERVISOR_vcpu_op, {VCPUOP_stop_singleshot_timer, 0}), 0);
    EXPECT_EQ(world.vcpu.timer_deadline(), std::nullopt);
    EXPECT_EQ(world.call(__HYPERVISOR_set_timer_op, {1'000}), 0);
    EXPECT_EQ(world.vcpu.timer_deadline(), cpu::Tsc{1'000'000 + 2'000});
    EXPECT_EQ(world.call(__HYPERVISOR_set_timer_op, {0}), 0);
    EXPECT_EQ(world.vcpu.timer_deadline(), std::nullopt);
}

TEST_F(Time, a_far_time_does_not_wrap_to_the_past) {
    for (const u64 far : {~u64{0}, u64{1} << 63, u64{1} << 62}) {
        EXPECT_EQ(singleshot(far), 0);
        EXPECT_GT(world.vcpu.timer_deadline()->raw(), u64{1} << 60);
    }
}

TEST_F(Time, a_time_that_must_be_in_the_future_is_checked) {
    world.machine.tsc = cpu::Tsc{1'000'000 + 10'000};
    EXPECT_EQ(singleshot(1'000, VCPU_SSHOTTMR_future), -XEN_ETIME);
    EXPECT_EQ(singleshot(1'000), 0);
    EXPECT_EQ(singleshot(1'000'000, VCPU_SSHOTTMR_future), 0);
}

TEST_F(Time, other_vcpus_timers_are_not_ours) {
    vcpu_set_singleshot_timer request{1, 0};
    EXPECT_EQ(world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, request, 2, 1),
              -XEN_ENOENT);
    EXPECT_EQ(world.call(__HYPERVISOR_vcpu_op, {VCPUOP_stop_periodic_timer, 5}), -XEN_ENOENT);
    EXPECT_EQ(world.call(__HYPERVISOR_vcpu_op, {VCPUOP_stop_periodic_timer, 0}), 0);
}

TEST_F(Time, run_state_is_written_where_registered) {
    u64 address = 0x13000;
    world.put(0x13000, ~u64{0});
    const cpu::Tsc ready{1'000'000};
    world.vcpu.account_for(domain::RunState::runnable, ready);
    world.vcpu.account_for(domain::RunState::running, cpu::Tsc{ready.raw() + 2'000});
    EXPECT_EQ(
        world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, address, 2), 0);
    EXPECT_EQ(world.get<vcpu_runstate_info>(0x13000).state, RUNSTATE_running);
    // Another turn, after a wait: 1,000 ns that the guest sees as stolen, 500 ns of its own.
    world.vcpu.account_for(domain::RunState::runnable, cpu::Tsc{ready.raw() + 3'000});
    world.vcpu.account_for(domain::RunState::running, cpu::Tsc{ready.raw() + 5'000});
    world.xen.turn_begins(world.vcpu);
    const auto second = world.get<vcpu_runstate_info>(0x13000);
    EXPECT_EQ(second.state, RUNSTATE_running);
    EXPECT_EQ(second.time[RUNSTATE_runnable], 2'000u);
    EXPECT_EQ(second.time[RUNSTATE_running], 500u);
    address = AbiWorld::ram_bytes;
    EXPECT_EQ(
        world.call_with(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, address, 2),
        -XEN_EFAULT);
}

} // namespace
} // namespace ravelin

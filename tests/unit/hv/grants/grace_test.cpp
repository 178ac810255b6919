// SPDX-License-Identifier: Apache-2.0
// A vCPU in the middle of a hypercall may still copy to a frame that another vCPU of its domain
// hides: nobody else gets that frame before.
#include <gtest/gtest.h>
#include <support/abi_world.hpp>
#include <support/grant_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using grants::GrantError;

constexpr u64 hole = 0x1000;

struct IdleVcpu {
    IdleVcpu(domain::Domain& domain, u32 id) : vcpu{domain, VcpuId{id}, cpu, lapic} {}
    test::IdleCpu cpu;
    test::RecordingApic lapic;
    domain::Vcpu vcpu;
};

class Grace : public testing::Test {
  protected:
    Grace() {
        asking.vcpu.set_on_cpu(true);
        copying.vcpu.set_on_cpu(true); // and not in its guest
    }
    test::Host host;
    test::Devices devices{host};
    test::GrantDomain a{1, host, devices};
    test::GrantDomain b{2, host, devices};
    IdleVcpu asking{b.domain, 0};
    IdleVcpu copying{b.domain, 1};
};

TEST_F(Grace, a_granter_has_its_page_back_when_every_vcpu_of_the_mapper_has_let_go) {
    a.grant(9, 2, 5);
    const auto handle =
        b.grants.map(GuestFrame{hole}, a.grants, GrantRef{9}, Access::read_write).value();
    const auto unmap = [&] {
        return b.grants.unmap(handle, GuestFrame{hole}.address(), &asking.vcpu);
    };
    for (unsigned i = 0; i < 3; ++i) {
        const auto waiting = unmap();
        ASSERT_FALSE(waiting.is_ok());
        EXPECT_EQ(waiting.error(), GrantError::again);
        EXPECT_EQ(b.frame(hole), std::nullopt);
        EXPECT_FALSE(a.end_grant(9));
        EXPECT_FALSE(a.balloon.release(GuestFrame{5}).is_ok());
    }
    copying.vcpu.entering_guest();
    EXPECT_TRUE(unmap().is_ok());
    EXPECT_TRUE(a.end_grant(9));
    EXPECT_TRUE(a.balloon.release(GuestFrame{5}).is_ok());
}

TEST_F(Grace, a_page_given_up_is_free_when_every_other_vcpu_has_let_go) {
    const HostFrame first = *b.frame(1);
    const HostFrame second = *b.frame(2);
    ASSERT_TRUE(b.balloon.release(GuestFrame{1}, &asking.vcpu).is_ok());
    EXPECT_EQ(b.frame(1), std::nullopt);
    EXPECT_EQ(host.frames.info(first).type, mm::FrameType::leaving);
    copying.vcpu.entering_guest();
    copying.vcpu.left_guest();
    ASSERT_TRUE(b.balloon.release(GuestFrame{2}, &asking.vcpu).is_ok());
    EXPECT_EQ(host.frames.info(first).type, mm::FrameType::free);
    EXPECT_EQ(host.frames.info(second).type, mm::FrameType::leaving);
    copying.vcpu.set_on_cpu(false);
    ASSERT_TRUE(b.balloon.release(GuestFrame{3}, &asking.vcpu).is_ok());
    EXPECT_EQ(host.frames.info(second).type, mm::FrameType::free);
    EXPECT_EQ(b.balloon.current(), test::GrantDomain::ram - 3);
}

TEST_F(Grace, a_vcpu_that_never_lets_go_stops_the_balloon_and_no_more) {
    u64 at = 0;
    Status<grants::BalloonError> last{Unit{}};
    for (; at < 31 && last; ++at)
        last = b.balloon.release(GuestFrame{at}, &asking.vcpu);
    EXPECT_TRUE(last.is_ok()) << "a few wait";
    EXPECT_EQ(b.balloon.current(), test::GrantDomain::ram - 31);
    b.balloon.set_maximum(1000);
    for (u64 i = 0; i < 31; ++i)
        ASSERT_TRUE(b.balloon.populate(GuestFrame{i}).is_ok());
    for (at = 0; at < 31; ++at)
        if (!b.balloon.release(GuestFrame{at}, &asking.vcpu))
            break;
    EXPECT_EQ(at, 1u) << "no room for more";
    EXPECT_TRUE(b.frame(2).has_value());
}

} // namespace
} // namespace ravelin

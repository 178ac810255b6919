// SPDX-License-Identifier: Apache-2.0
// Labels decide whom events and grants may join: equal ones, or domain 0.
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

/// Two domains that find each other.
class Pair final : public domain::Directory {
  public:
    Pair(domain::Role role, LabelId label) : peer{role, nullptr, this, DomainId{5}, label} {}
    domain::Reference find(DomainId id) override {
        for (AbiWorld* const world : {&guest, &peer})
            if (world->guest.id() == id)
                return domain::Reference{world->guest};
        return {};
    }
    i16 map() {
        gnttab_map_grant_ref request{};
        request.host_addr = 0x500000;
        request.flags = GNTMAP_host_map | GNTMAP_readonly;
        request.ref = 600; // beyond its table
        request.dom = 5;
        EXPECT_EQ(operate(GNTTABOP_map_grant_ref, request), 0);
        return request.status;
    }
    i16 copy() {
        gnttab_copy request{};
        request.source.u.ref = 600;
        request.source.domid = 5;
        request.flags = GNTCOPY_source_gref;
        request.dest.u.gmfn = 0x20;
        request.dest.domid = DOMID_SELF;
        request.len = 16;
        EXPECT_EQ(operate(GNTTABOP_copy, request), 0);
        return request.status;
    }
    i64 bind() {
        evtchn_alloc_unbound unbound{DOMID_SELF, 3, 0};
        EXPECT_EQ(peer.call_with(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, unbound),
                  0);
        evtchn_bind_interdomain request{5, unbound.port, 0};
        return guest.call_with(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, request);
    }

    AbiWorld guest{domain::Role::guest, nullptr, this, DomainId{3}, LabelId{1}};
    AbiWorld peer;

  private:
    template <typename T> i64 operate(u64 operation, T& request) {
        guest.put(AbiWorld::scratch, request);
        const i64 result =
            guest.call(__HYPERVISOR_grant_table_op, {operation, AbiWorld::scratch, 1});
        request = guest.get<T>(AbiWorld::scratch);
        return result;
    }
};

TEST(Labels, of_two_guests_are_equal_or_they_share_nothing) {
    Pair same{domain::Role::guest, LabelId{1}};
    EXPECT_EQ(same.bind(), 0);
    EXPECT_EQ(same.map(), GNTST_bad_gntref);
    EXPECT_EQ(same.copy(), GNTST_bad_gntref);
    Pair different{domain::Role::guest, LabelId{2}};
    EXPECT_EQ(different.bind(), -XEN_EPERM);
    EXPECT_EQ(different.map(), GNTST_permission_denied);
    EXPECT_EQ(different.copy(), GNTST_permission_denied);
}

TEST(Labels, do_not_keep_a_guest_from_domain_0) {
    Pair served{domain::Role::domain0, LabelId{2}};
    EXPECT_EQ(served.bind(), 0);
    EXPECT_EQ(served.map(), GNTST_bad_gntref);
    EXPECT_EQ(served.copy(), GNTST_bad_gntref);
}

} // namespace
} // namespace ravelin

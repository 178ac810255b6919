// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;
using test::HostMemory;

class Memory : public testing::Test {
  protected:
    i64 show(unsigned space, u64 index, u64 frame, u16 domain = DOMID_SELF) {
        xen_add_to_physmap request{domain, 0, space, index, frame};
        return world.call_with(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, request);
    }
    i64 hide(u64 frame) {
        xen_remove_from_physmap request{DOMID_SELF, frame};
        return world.call_with(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, request);
    }
    std::optional<u64> host_frame(u64 frame) {
        const auto found = world.guest.stage2().translate(GuestFrame{frame}.address());
        if (!found)
            return std::nullopt;
        return HostFrame::of(found->address).raw();
    }
    AbiWorld world;
};

TEST_F(Memory, shared_info_is_shown_where_asked_and_moves) {
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, 0x10), 0);
    EXPECT_EQ(host_frame(0x10), world.state->shared_info.raw());
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, 0x400), 0);
    EXPECT_EQ(host_frame(0x400), world.state->shared_info.raw());
    EXPECT_EQ(host_frame(0x10), std::nullopt) << "shown once only";
    const auto seen = world.get<shared_info>(0x400000);
    EXPECT_EQ(seen.wc_sec, 1'700'000'000u);
    EXPECT_EQ(seen.wc_version % 2, 0u);
}

TEST_F(Memory, grant_frames_are_shown_and_hidden) {
    EXPECT_EQ(show(XENMAPSPACE_grant_table, 0, 0x500), 0);
    EXPECT_EQ(host_frame(0x500), world.state->grants.frame(0).value().raw());
    EXPECT_EQ(hide(0x500), 0);
    EXPECT_EQ(host_frame(0x500), std::nullopt);
    EXPECT_EQ(hide(0x500), -XEN_EINVAL);
}

TEST_F(Memory, other_domains_spaces_and_places_are_refused) {
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, 0x10, 0), -XEN_EPERM);
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, 0x10, DOMID_XEN), -XEN_EPERM);
    EXPECT_EQ(show(XENMAPSPACE_gmfn_foreign, 1, 0x10), -XEN_ENOSYS);
    EXPECT_EQ(show(XENMAPSPACE_gmfn, 1, 0x10), -XEN_ENOSYS);
    EXPECT_EQ(show(XENMAPSPACE_dev_mmio, 1, 0x10), -XEN_ENOSYS);
    EXPECT_EQ(show(XENMAPSPACE_grant_table, 64, 0x10), -XEN_EINVAL);
    EXPECT_EQ(show(XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, 0x10), -XEN_EINVAL);
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, u64{1} << 40), -XEN_EINVAL);
    EXPECT_EQ(host_frame(0x10), HostMemory::first_domain_frame + 0x10);
}

TEST_F(Memory, one_frame_shows_one_page) {
    EXPECT_EQ(show(XENMAPSPACE_shared_info, 0, 0x500), 0);
    EXPECT_EQ(show(XENMAPSPACE_grant_table, 0, 0x500), -XEN_EBUSY);
    EXPECT_EQ(host_frame(0x500), world.state->shared_info.raw());
}

TEST_F(Memory, ram_of_its_own_is_not_removed) {
    EXPECT_EQ(hide(0x10), -XEN_EINVAL);
    EXPECT_EQ(host_frame(0x10), HostMemory::first_domain_frame + 0x10);
}

TEST_F(Memory, the_map_is_the_builders) {
    struct Request {
        u32 entries;
        u32 padding;
        u64 buffer;
    } request{8, 0, 0x9000};
    static_assert(sizeof(Request) == sizeof(xen_memory_map));
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_memory_map, request), 0);
    EXPECT_EQ(request.entries, 1u);
    EXPECT_EQ(world.get<u64>(0x9008), AbiWorld::ram_bytes);
    EXPECT_EQ(world.get<u32>(0x9010), 1u);
    request.entries = 0;
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_memory_map, request), 0);
    EXPECT_EQ(request.entries, 0u);
    request = {8, 0, AbiWorld::ram_bytes};
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_memory_map, request), -XEN_EFAULT);
}

TEST_F(Memory, extents_are_single_pages) {
    world.put(0x9000, u64{0x20});
    xen_memory_reservation request{};
    request.nr_extents = 1;
    request.extent_order = 1;
    request.domid = DOMID_SELF;
    // SAFETY: a guest's address in a field that is a pointer.
    request.extent_start.p = reinterpret_cast<xen_pfn_t*>(0x9000);
    for (const u64 operation : {u64{XENMEM_decrease_reservation}, u64{XENMEM_populate_physmap}})
        EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, operation, request), 0) << "of one";
    EXPECT_EQ(host_frame(0x20), HostMemory::first_domain_frame + 0x20);
    EXPECT_EQ(host_frame(0x21), HostMemory::first_domain_frame + 0x21);
    request.extent_order = 0;
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, request), 1);
    EXPECT_EQ(host_frame(0x20), std::nullopt);
    EXPECT_EQ(host_frame(0x21), HostMemory::first_domain_frame + 0x21);
}

TEST_F(Memory, reservations_count_frames) {
    EXPECT_EQ(world.call(__HYPERVISOR_memory_op, {XENMEM_maximum_ram_page}),
              i64{HostMemory::domain_frames});
    domid_t self = DOMID_SELF;
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_current_reservation, self),
              i64{HostMemory::domain_frames});
    self = 0;
    EXPECT_EQ(world.call_with(__HYPERVISOR_memory_op, XENMEM_current_reservation, self),
              -XEN_EPERM);
}

} // namespace
} // namespace ravelin

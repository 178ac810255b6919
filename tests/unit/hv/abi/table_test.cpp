// SPDX-License-Identifier: Apache-2.0
// What is in no row does not exist, what is in a row is decided by its policy line, and nothing is
// decided by anything else.
#include <hv/abi/table.hpp>

#include <gtest/gtest.h>
#include <support/abi_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using test::AbiWorld;

bool in_table(u32 number, u32 sub_operation) {
    return std::ranges::any_of(abi::operation_table(), [=](const abi::Row& row) {
        return row.number == number &&
               (row.sub_operation == sub_operation || row.sub_operation == abi::any_sub_operation);
    });
}

TEST(Table, everything_that_is_in_no_row_is_enosys) {
    AbiWorld world;
    for (u32 number = 0; number < 128; ++number)
        for (u32 sub = 0; sub < 80; ++sub) {
            // Above six bits memory_op's number says where to go on.
            if (in_table(number, number == __HYPERVISOR_memory_op ? sub % 64 : sub))
                continue;
            EXPECT_EQ(world.call(number, {sub}), -XEN_ENOSYS) << number << " " << sub;
        }
    EXPECT_EQ(world.call(~u64{0}, {}), -XEN_ENOSYS);
    EXPECT_EQ(world.call(__HYPERVISOR_xen_version, {~u64{0}}), -XEN_ENOSYS);
    EXPECT_TRUE(world.guest.running());
}

TEST(Table, a_guest_is_refused_what_only_domain_0_may) {
    AbiWorld world{domain::Role::guest};
    for (const abi::Row& row : abi::operation_table()) {
        if (abi::is_allowed(domain::Role::guest, row.operation))
            continue;
        EXPECT_EQ(world.call(row.number, {row.sub_operation}), -XEN_EPERM) << row.name;
    }
    EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_read, 1, AbiWorld::scratch}),
              -XEN_EPERM);
}

TEST(Table, what_belongs_to_the_toolstack_is_absent_for_domain_0_too) {
    AbiWorld world;
    for (const int number : {__HYPERVISOR_sysctl,
                             __HYPERVISOR_xsm_op,
                             __HYPERVISOR_platform_op,
                             __HYPERVISOR_kexec_op,
                             __HYPERVISOR_dm_op,
                             __HYPERVISOR_mmu_update,
                             __HYPERVISOR_set_trap_table,
                             __HYPERVISOR_tmem_op,
                             __HYPERVISOR_argo_op})
        EXPECT_EQ(world.call(static_cast<u64>(number), {AbiWorld::scratch}), -XEN_ENOSYS) << number;
}

TEST(Table, of_domctl_there_is_what_the_store_asks) {
    AbiWorld world;
    xen_domctl request{};
    request.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    const auto ask = [&](u32 command, DomainId id) {
        request.cmd = command;
        request.domain = id.raw();
        world.put(AbiWorld::scratch, request);
        const i64 result = world.call(__HYPERVISOR_domctl, {AbiWorld::scratch});
        request = world.get<xen_domctl>(AbiWorld::scratch);
        return result;
    };
    const xen_domctl_getdomaininfo& info = request.u.getdomaininfo;
    EXPECT_EQ(ask(XEN_DOMCTL_getdomaininfo, AbiWorld::id), 0);
    EXPECT_EQ(info.domain, AbiWorld::id.raw());
    EXPECT_EQ(info.tot_pages, AbiWorld::ram_bytes / page_size);
    EXPECT_EQ(info.cpu_time, 1000u + AbiWorld::id.raw());
    EXPECT_EQ(info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_running), XEN_DOMINF_running);
    world.guest.stop(domain::StopReason::reboot);
    EXPECT_EQ(ask(XEN_DOMCTL_getdomaininfo, AbiWorld::id), 0);
    EXPECT_EQ(info.flags & XEN_DOMINF_shutdown, XEN_DOMINF_shutdown);
    EXPECT_EQ(info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, SHUTDOWN_reboot);
    EXPECT_EQ(ask(XEN_DOMCTL_getdomaininfo, DomainId{99}), -XEN_ESRCH);
    EXPECT_EQ(ask(XEN_DOMCTL_destroydomain, AbiWorld::id), -XEN_ENOSYS);
    request.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    EXPECT_EQ(ask(XEN_DOMCTL_getdomaininfo, AbiWorld::id), -XEN_EACCES);
    EXPECT_EQ(world.call(__HYPERVISOR_domctl, {~u64{0} - 8}), -XEN_EFAULT);
    AbiWorld guest{domain::Role::guest};
    EXPECT_EQ(guest.call(__HYPERVISOR_domctl, {AbiWorld::scratch}), -XEN_EPERM);
}

TEST(Table, grant_operations_that_pvh_guests_do_not_have_are_absent) {
    AbiWorld world;
    for (const int operation : {GNTTABOP_transfer,
                                GNTTABOP_dump_table,
                                GNTTABOP_unmap_and_replace,
                                GNTTABOP_get_status_frames,
                                GNTTABOP_swap_grant_ref,
                                GNTTABOP_cache_flush})
        EXPECT_EQ(world.call(__HYPERVISOR_grant_table_op,
                             {static_cast<u64>(operation), AbiWorld::scratch, 1}),
                  -XEN_ENOSYS);
}

TEST(Table, pointers_outside_the_domains_memory_are_efault) {
    AbiWorld world;
    constexpr u64 hole = AbiWorld::ram_bytes + 0x1000;
    constexpr u64 straddling = AbiWorld::ram_bytes - 2;
    for (const u64 at : {hole, straddling, ~u64{0} - 8}) {
        EXPECT_EQ(world.call(__HYPERVISOR_xen_version, {XENVER_get_features, at}), -XEN_EFAULT);
        EXPECT_EQ(world.call(__HYPERVISOR_memory_op, {XENMEM_add_to_physmap, at}), -XEN_EFAULT);
        EXPECT_EQ(world.call(__HYPERVISOR_event_channel_op, {EVTCHNOP_bind_virq, at}), -XEN_EFAULT);
        EXPECT_EQ(world.call(__HYPERVISOR_sched_op, {SCHEDOP_shutdown, at}), -XEN_EFAULT);
        EXPECT_EQ(world.call(__HYPERVISOR_console_io, {CONSOLEIO_write, 64, at}), -XEN_EFAULT);
        EXPECT_EQ(world.call(__HYPERVISOR_multicall, {at, 1}), -XEN_EFAULT);
    }
}

} // namespace
} // namespace ravelin

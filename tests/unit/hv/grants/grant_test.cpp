// SPDX-License-Identifier: Apache-2.0
// Grants between three domains: who reaches what, what a hostile entry does, and what stays behind.
#include <gtest/gtest.h>
#include <support/grant_world.hpp>

namespace ravelin {
namespace {

using namespace hv;
using grants::GrantError;
using grants::GrantTable;
using grants::Handle;

constexpr u64 readonly = 1 | 4;
constexpr u64 hole = 0x1000;

class Grants : public testing::Test {
  protected:
    auto map(test::GrantDomain& by,
             u64 at,
             test::GrantDomain& of,
             u32 reference,
             Access access = Access::read_write) {
        return by.grants.map(GuestFrame{at}, of.grants, GrantRef{reference}, access);
    }
    Status<GrantError> unmap(test::GrantDomain& by, Handle handle, u64 at) {
        return by.grants.unmap(handle, GuestFrame{at}.address());
    }
    void TearDown() override {
        for (test::GrantDomain* const domain : {&a, &b, &c})
            EXPECT_TRUE(domain->grants.release_mappings(~0u));
    }
    template <typename R> GrantError error(const R& result) {
        return result ? GrantError{} : result.error();
    }
    test::Host host;
    test::Devices devices{host};
    test::GrantDomain a{1, host, devices};
    test::GrantDomain b{2, host, devices};
    test::GrantDomain c{3, host, devices};
};

TEST_F(Grants, a_mapped_page_is_the_granters_for_cpus_and_devices_until_it_is_unmapped) {
    a.grant(9, 2, 5);
    const auto handle = map(b, hole, a, 9);
    ASSERT_TRUE(handle.is_ok());
    EXPECT_EQ(b.frame(hole), a.frame(5));
    EXPECT_EQ(devices.reached(b.domain.id(), hole), a.frame(5));
    EXPECT_EQ(a.flags(9), 1u | 8 | 16) << "reading and writing are marked";
    EXPECT_FALSE(a.end_grant(9));
    EXPECT_EQ(a.grants.entries_in_use(), 1u);
    EXPECT_EQ(host.pins(), 1u);
    ASSERT_TRUE(unmap(b, handle.value(), hole).is_ok());
    EXPECT_EQ(b.frame(hole), std::nullopt);
    EXPECT_EQ(devices.reached(b.domain.id(), hole), std::nullopt);
    EXPECT_TRUE(devices.order_was_kept);
    EXPECT_EQ(host.pins(), 0u);
    EXPECT_EQ(a.grants.entries_in_use(), 0u);
    EXPECT_TRUE(a.end_grant(9));
    EXPECT_EQ(error(map(b, hole, a, 9)), GrantError::general) << "revoked";
}

TEST_F(Grants, a_read_only_grant_gives_no_write) {
    a.grant(9, 2, 5, readonly);
    EXPECT_EQ(error(map(b, hole, a, 9)), GrantError::general);
    EXPECT_EQ(a.flags(9), readonly) << "no marks of a refusal";
    const auto handle = map(b, hole, a, 9, Access::read);
    ASSERT_TRUE(handle.is_ok());
    EXPECT_EQ(b.domain.stage2().translate(GuestFrame{hole}.address())->access, Access::read);
    EXPECT_FALSE(b.domain.memory().frame(GuestFrame{hole}, Access::write).is_ok());
    EXPECT_EQ(a.flags(9), readonly | 8);
    EXPECT_TRUE(unmap(b, handle.value(), hole).is_ok());
    EXPECT_EQ(a.flags(9), readonly);
}

TEST_F(Grants, only_the_domain_that_is_named_maps) {
    a.grant(9, 2, 5);
    EXPECT_EQ(error(map(c, hole, a, 9)), GrantError::general);
    EXPECT_EQ(error(map(b, hole, c, 9)), GrantError::general) << "nothing granted there";
    EXPECT_EQ(error(map(b, hole, a, 512)), GrantError::bad_reference);
    EXPECT_EQ(error(map(b, hole, a, ~0u)), GrantError::bad_reference);
    for (const u64 type : {0u, 2u, 3u}) { // invalid, transfer, transitive
        a.grant(9, 2, 5, type);
        EXPECT_EQ(error(map(b, hole, a, 9)), GrantError::general) << type;
    }
    EXPECT_EQ(host.pins(), 0u);
}

TEST_F(Grants, a_domain_may_map_its_own_grants) {
    a.grant(9, 1, 5);
    const auto handle = map(a, hole, a, 9);
    ASSERT_TRUE(handle.is_ok());
    EXPECT_EQ(a.frame(hole), a.frame(5));
    EXPECT_TRUE(unmap(a, handle.value(), hole).is_ok());
}

TEST_F(Grants, only_memory_of_the_granters_own_is_granted) {
    c.grant(1, 1, 7);
    ASSERT_TRUE(map(a, hole, c, 1).is_ok());
    a.grant(2, 2, hole); // what a has of c's
    EXPECT_EQ(error(map(b, hole, a, 2)), GrantError::bad_page);
    a.grant(3, 2, 0x2000); // nothing there
    EXPECT_EQ(error(map(b, hole, a, 3)), GrantError::bad_page);
    ASSERT_TRUE(a.domain.stage2()
                    .map(GuestFrame{0x3000}.address(),
                         a.grants.frame(0).value().address(),
                         Bytes{page_size},
                         Access::read_write,
                         stage2::MemoryType::write_back)
                    .is_ok());
    a.grant(4, 2, 0x3000); // a page of the hypervisor's
    EXPECT_EQ(error(map(b, hole, a, 4)), GrantError::bad_page);
    a.grant(5, 2, 0xffff'ffff);
    EXPECT_EQ(error(map(b, hole, a, 5)), GrantError::bad_page);
    for (const u32 reference : {2u, 3u, 4u, 5u})
        EXPECT_EQ(a.flags(reference), 1u) << reference;
    EXPECT_EQ(host.pins(), 1u);
}

TEST_F(Grants, an_entry_that_changes_while_it_is_used_means_what_it_meant) {
    a.grant(9, 2, 5);
    const auto first = map(b, hole, a, 9);
    ASSERT_TRUE(first.is_ok());
    a.grant(9, 2, 6);
    EXPECT_EQ(error(map(b, hole + 1, a, 9)), GrantError::general) << "another page";
    a.grant(9, 3, 5);
    EXPECT_EQ(error(map(c, hole, a, 9)), GrantError::general) << "another domain";
    EXPECT_EQ(b.frame(hole), a.frame(5));
    a.entry(9).store(0);
    EXPECT_TRUE(unmap(b, first.value(), hole).is_ok());
    EXPECT_EQ(a.entry(9).load(), 0u);
    EXPECT_EQ(host.pins(), 0u);
}

TEST_F(Grants, maps_go_where_nothing_is) {
    a.grant(9, 2, 5);
    EXPECT_EQ(error(map(b, 3, a, 9)), GrantError::bad_address);
    ASSERT_TRUE(map(b, hole, a, 9).is_ok());
    EXPECT_EQ(error(map(b, hole, a, 9)), GrantError::bad_address);
    EXPECT_EQ(host.pins(), 1u) << "one entry, one pin";
}

TEST_F(Grants, handles_are_used_once_by_their_domain_at_their_address) {
    a.grant(9, 2, 5);
    const Handle handle = map(b, hole, a, 9).value();
    EXPECT_EQ(error(unmap(b, handle, hole + 1)), GrantError::bad_handle);
    EXPECT_EQ(error(unmap(c, handle, hole)), GrantError::bad_handle);
    EXPECT_EQ(error(unmap(b, Handle{handle.raw() + 1}, hole)), GrantError::bad_handle);
    EXPECT_EQ(error(unmap(b, Handle{~0u}, hole)), GrantError::bad_handle);
    EXPECT_TRUE(unmap(b, handle, hole).is_ok());
    EXPECT_EQ(error(unmap(b, handle, hole)), GrantError::bad_handle);
    const Handle next = map(b, hole, a, 9).value();
    EXPECT_NE(next, handle) << "a generation later";
    EXPECT_EQ(error(unmap(b, handle, hole)), GrantError::bad_handle);
    EXPECT_EQ(b.frame(hole), a.frame(5));
}

TEST_F(Grants, one_page_is_mapped_many_times) {
    a.grant(9, 2, 5);
    a.grant(10, 2, 5);
    std::vector<Handle> handles;
    for (u64 i = 0; i < 300; ++i)
        handles.push_back(map(b, hole + i, a, i % 2 == 0 ? 9 : 10).value());
    EXPECT_EQ(host.pins(), 2u);
    for (u64 i = 0; i < 300; ++i)
        EXPECT_TRUE(unmap(b, handles[i], hole + i).is_ok());
    EXPECT_EQ(host.pins(), 0u);
}

TEST_F(Grants, the_table_grows_to_its_limit) {
    EXPECT_EQ(a.grants.frame_count(), 1u);
    EXPECT_TRUE(a.grants.frame(3).is_ok());
    EXPECT_EQ(a.grants.frame_count(), 4u);
    a.grant(4 * 512 - 1, 2, 5);
    EXPECT_TRUE(map(b, hole, a, 4 * 512 - 1).is_ok());
    EXPECT_FALSE(a.grants.frame(GrantTable::most_frames).is_ok());
    EXPECT_TRUE(a.grants.frame(GrantTable::most_frames - 1).is_ok());
    EXPECT_FALSE(a.grants.grow(~0u).is_ok());
}

TEST_F(Grants, the_builder_fills_reserved_entries) {
    ASSERT_TRUE(a.grants.prefill(GrantTable::reserved_store, DomainId{2}, GuestFrame{4}).is_ok());
    ASSERT_TRUE(map(b, hole, a, 1).is_ok());
    EXPECT_EQ(b.frame(hole), a.frame(4));
}

GrantTable::CopyEnd by(test::GrantDomain& granter, u32 reference, u16 offset = 0) {
    return {&granter.grants, GrantRef{reference}, {}, offset};
}
GrantTable::CopyEnd own(u64 page, u16 offset = 0) {
    return {nullptr, {}, GuestFrame{page}, offset};
}

TEST_F(Grants, copies_go_between_any_two_ends_that_the_copier_may_use) {
    a.grant(1, 2, 5, readonly);
    c.grant(1, 2, 6);
    a.byte(5, 100) = 0x11;
    EXPECT_TRUE(b.grants.copy(by(a, 1, 100), own(7, 4095), 1).is_ok());
    EXPECT_EQ(b.byte(7, 4095), 0x11);
    EXPECT_TRUE(b.grants.copy(by(a, 1), by(c, 1), page_size).is_ok()) << "between two others";
    EXPECT_EQ(c.byte(6, 100), 0x11);
    b.byte(8) = 0x22;
    EXPECT_TRUE(b.grants.copy(own(8), by(c, 1), 1).is_ok());
    EXPECT_EQ(c.byte(6), 0x22);
    b.byte(8, 1) = 0x33;
    EXPECT_TRUE(b.grants.copy(own(8), own(8, 1), 2).is_ok()) << "within a page, overlapping";
    EXPECT_EQ(b.byte(8, 2), 0x33);
    EXPECT_EQ(a.flags(1), readonly);
    EXPECT_EQ(c.flags(1), 1u);
    EXPECT_EQ(host.pins(), 0u);
}

TEST_F(Grants, copies_beyond_a_page_a_grant_or_ones_own_memory_are_refused) {
    a.grant(1, 2, 5, readonly);
    c.grant(1, 1, 6);
    const auto before = b.byte(7);
    EXPECT_EQ(error(b.grants.copy(by(a, 1, 4095), own(7), 2)), GrantError::bad_copy);
    EXPECT_EQ(error(b.grants.copy(by(a, 1), own(7, 1), page_size)), GrantError::bad_copy);
    EXPECT_EQ(error(b.grants.copy(by(a, 1, 0xffff), own(7), 0xffff)), GrantError::bad_copy);
    EXPECT_EQ(error(b.grants.copy(own(7), by(a, 1), 8)), GrantError::general) << "read-only";
    EXPECT_EQ(error(b.grants.copy(by(c, 1), own(7), 8)), GrantError::general) << "not for b";
    EXPECT_EQ(error(b.grants.copy(by(a, 600), own(7), 8)), GrantError::bad_reference);
    EXPECT_EQ(error(b.grants.copy(by(a, 1), own(hole), 8)), GrantError::bad_page);
    ASSERT_TRUE(map(b, hole, a, 1, Access::read).is_ok());
    EXPECT_EQ(error(b.grants.copy(own(7), own(hole), 8)), GrantError::bad_page)
        << "a page of another's is no page of one's own";
    EXPECT_EQ(b.byte(7), before);
    EXPECT_EQ(host.pins(), 1u);
}

TEST_F(Grants, a_pin_that_devices_may_still_need_is_kept) {
    a.grant(9, 2, 5);
    const Handle handle = map(b, hole, a, 9).value();
    devices.stuck = true;
    EXPECT_EQ(error(unmap(b, handle, hole)), GrantError::general);
    EXPECT_EQ(a.grants.entries_in_use(), 1u) << "teardown waits";
    EXPECT_EQ(host.pins(), 1u);
    EXPECT_EQ(b.frame(hole), std::nullopt);
    devices.stuck = false;
    EXPECT_EQ(error(unmap(b, handle, hole)), GrantError::bad_handle);
    // For this test's own end.
    host.frames.unpin(*a.frame(5));
}

TEST_F(Grants, a_page_that_devices_may_have_seen_stays_pinned) {
    a.grant(9, 2, 5);
    devices.silent = true;
    EXPECT_EQ(error(map(b, hole, a, 9)), GrantError::no_device_space);
    devices.silent = false;
    EXPECT_EQ(b.frame(hole), std::nullopt);
    EXPECT_EQ(a.grants.entries_in_use(), 1u) << "teardown waits";
    EXPECT_EQ(host.pins(), 1u);
    // For this test's own end.
    host.frames.unpin(*a.frame(5));
}

TEST_F(Grants, the_end_of_the_mapper_gives_everything_back) {
    for (u32 i = 0; i < 200; ++i) {
        a.grant(i, 2, i % test::GrantDomain::ram);
        ASSERT_TRUE(map(b, hole + i, a, i).is_ok());
    }
    EXPECT_EQ(a.grants.entries_in_use(), 200u);
    unsigned calls = 1;
    for (; !b.grants.release_mappings(64); ++calls)
        ASSERT_LT(calls, 10u);
    EXPECT_EQ(calls, 4u);
    EXPECT_EQ(a.grants.entries_in_use(), 0u);
    EXPECT_EQ(host.pins(), 0u);
    EXPECT_EQ(devices.reached(b.domain.id(), hole), std::nullopt);
}

} // namespace
} // namespace ravelin

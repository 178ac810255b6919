// SPDX-License-Identifier: Apache-2.0
// Stage-2 tables translate what was mapped, with the largest pages, and refuse the rest whole.
#include "table_fixture.hpp"

#include <hv/stage2/page_table.hpp>

namespace ravelin::hv::stage2 {
namespace {

using test::hardware_walk;
using test::TestTables;

constexpr u64 k = 1024;
constexpr u64 m = k * k;
constexpr u64 g = k * m;

class PageTableTest : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(table.initialise()); }
    TestTables tables;
    PageTable table{Layout{Format::nested_pages, LargestPage::size_1g}, tables};
};

TEST_F(PageTableTest, UsesTheLargestPagesThatFit) {
    ASSERT_TRUE(table.map(GuestPhysical{g - 2 * m - 4 * k},
                          HostPhysical{5 * g - 2 * m - 4 * k},
                          Bytes{g + 2 * m + 8 * k},
                          Access::all,
                          MemoryType::write_back));
    EXPECT_EQ(hardware_walk(tables, table.root(), g - 2 * m - 4 * k)->page_bytes, 4 * k);
    EXPECT_EQ(hardware_walk(tables, table.root(), g - 2 * m)->page_bytes, 2 * m);
    EXPECT_EQ(hardware_walk(tables, table.root(), g + 123)->page_bytes, g);
    EXPECT_EQ(hardware_walk(tables, table.root(), g + 123)->host, 5 * g + 123);
    EXPECT_EQ(hardware_walk(tables, table.root(), 2 * g)->page_bytes, 4 * k);
    EXPECT_FALSE(hardware_walk(tables, table.root(), 2 * g + 4 * k));
    EXPECT_FALSE(table.translate(GuestPhysical{2 * g + 4 * k}));
}

TEST_F(PageTableTest, MisalignedHostTakesSmallerPages) {
    ASSERT_TRUE(table.map(GuestPhysical{g},
                          HostPhysical{5 * g + 2 * m},
                          Bytes{g},
                          Access::read_write,
                          MemoryType::write_back));
    const auto walked = hardware_walk(tables, table.root(), g + 5 * m);
    EXPECT_EQ(walked->page_bytes, 2 * m);
    EXPECT_FALSE(walked->executable);
}

TEST_F(PageTableTest, HonoursTheCpusLargestPage) {
    PageTable small{Layout{Format::nested_pages, LargestPage::size_4k}, tables};
    ASSERT_TRUE(small.initialise());
    ASSERT_TRUE(small.map(
        GuestPhysical{0}, HostPhysical{0}, Bytes{2 * m}, Access::all, MemoryType::write_back));
    EXPECT_EQ(hardware_walk(tables, small.root(), 0)->page_bytes, 4 * k);
}

TEST_F(PageTableTest, TranslateAgreesWithHardware) {
    ASSERT_TRUE(table.map(GuestPhysical{3 * m},
                          HostPhysical{7 * m},
                          Bytes{4 * m},
                          Access::read,
                          MemoryType::uncached));
    for (u64 at = 0; at < 10 * m; at += 100 * k) {
        const auto ours = table.translate(GuestPhysical{at});
        const auto theirs = hardware_walk(tables, table.root(), at);
        ASSERT_EQ(ours.has_value(), theirs.has_value()) << at;
        if (!ours)
            continue;
        EXPECT_EQ(ours->address.raw(), theirs->host);
        EXPECT_EQ(allows(ours->access, Access::write), theirs->writable);
        EXPECT_EQ(allows(ours->access, Access::execute), theirs->executable);
        EXPECT_EQ(ours->type == MemoryType::uncached, theirs->uncached);
        EXPECT_EQ(ours->page_bytes, theirs->page_bytes);
    }
}

TEST_F(PageTableTest, RefusesBadRanges) {
    const auto map = [&](u64 guest, u64 host, u64 size, Access access = Access::all) {
        const auto done = table.map(
            GuestPhysical{guest}, HostPhysical{host}, Bytes{size}, access, MemoryType::write_back);
        return done ? std::nullopt : std::optional{done.error()};
    };
    EXPECT_EQ(map(1, 0, 4 * k), Error::misaligned);
    EXPECT_EQ(map(0, 1, 4 * k), Error::misaligned);
    EXPECT_EQ(map(0, 0, 5), Error::misaligned);
    EXPECT_EQ(map(0, 0, 0), Error::misaligned);
    EXPECT_EQ(map(u64{1} << 48, 0, 4 * k), Error::out_of_range);
    EXPECT_EQ(map((u64{1} << 48) - 4 * k, 0, 8 * k), Error::out_of_range);
    EXPECT_EQ(map(4 * k, 0, ~u64{0} - 4095), Error::out_of_range);
    EXPECT_EQ(map(0, u64{1} << 52, 4 * k), Error::out_of_range);
    EXPECT_EQ(map(0, 0, 4 * k, Access::write), Error::unsupported_rights);
    EXPECT_EQ(map(0, 0, 8 * m), std::nullopt);
    EXPECT_EQ(map(8 * m - 4 * k, 0, 8 * k), Error::already_mapped);
    EXPECT_FALSE(table.translate(GuestPhysical{8 * m}));
    const auto unmap = [&](u64 guest, u64 host) {
        const auto done = table.unmap_page(GuestPhysical{guest}, HostPhysical{host});
        return done ? std::nullopt : std::optional{done.error()};
    };
    EXPECT_EQ(unmap(8 * m, 8 * m), Error::not_mapped);
    EXPECT_EQ(unmap(4 * m, 5 * m), Error::not_mapped) << "another page is there";
    EXPECT_EQ(unmap(4 * m + 1, 4 * m + 1), Error::misaligned);
    EXPECT_EQ(unmap(u64{1} << 48, 0), Error::out_of_range);
    EXPECT_TRUE(table.translate(GuestPhysical{4 * m}));
}

TEST_F(PageTableTest, UnmappingAPageSplitsTheLargeOneItIsIn) {
    ASSERT_TRUE(table.map(
        GuestPhysical{0}, HostPhysical{g}, Bytes{g}, Access::read, MemoryType::write_back));
    const u64 before = table.tables();
    const u64 losses = table.losses();
    ASSERT_TRUE(table.unmap_page(GuestPhysical{5 * m + 4 * k}, HostPhysical{g + 5 * m + 4 * k}));
    EXPECT_EQ(table.tables(), before + 2);
    EXPECT_GT(table.losses(), losses);
    for (u64 at = 0; at < g; at += m / 2) {
        const auto walked = hardware_walk(tables, table.root(), at);
        ASSERT_TRUE(walked);
        EXPECT_EQ(walked->host, g + at);
        EXPECT_FALSE(walked->writable);
    }
    EXPECT_TRUE(hardware_walk(tables, table.root(), 5 * m));
    EXPECT_FALSE(hardware_walk(tables, table.root(), 5 * m + 4 * k));
    EXPECT_TRUE(hardware_walk(tables, table.root(), 5 * m + 8 * k));
    ASSERT_TRUE(table.unmap_page(GuestPhysical{5 * m}, HostPhysical{g + 5 * m}));
    EXPECT_EQ(table.tables(), before + 2) << "split once";
}

TEST(PageTable, TheEndGivesEveryTableBack) {
    TestTables tables;
    {
        PageTable table{Layout{Format::nested_pages, LargestPage::size_1g}, tables};
        ASSERT_TRUE(table.initialise());
        ASSERT_TRUE(table.map(GuestPhysical{4 * k},
                              HostPhysical{8 * k},
                              Bytes{2 * g},
                              Access::all,
                              MemoryType::write_back));
        EXPECT_GT(tables.live(), 1000u);
    }
    EXPECT_EQ(tables.live(), 0u);
}

// Another CPU may be in the middle of a walk through any table that was ever linked.
TEST_F(PageTableTest, AFailedMapReleasesNoTable) {
    for (const usize n : {0u, 1u}) {
        tables.allocations_left = n;
        EXPECT_FALSE(table.map(GuestPhysical{g},
                               HostPhysical{4 * k},
                               Bytes{4 * k},
                               Access::all,
                               MemoryType::write_back));
        EXPECT_EQ(tables.released, 0u);
    }
    tables.allocations_left = ~usize{0};
    table.set_table_limit(table.tables());
    EXPECT_FALSE(table.map(
        GuestPhysical{8 * g}, HostPhysical{0}, Bytes{4 * k}, Access::all, MemoryType::write_back));
    EXPECT_EQ(tables.released, 0u);
}

TEST_F(PageTableTest, EveryFailedAllocationLeavesTheTranslationAsItWas) {
    ASSERT_TRUE(table.map(
        GuestPhysical{0}, HostPhysical{g}, Bytes{g}, Access::all, MemoryType::write_back));
    for (usize n = 0;; ++n) {
        // Tables of a failed attempt stay: count on from them.
        tables.allocations_left = n == 0 ? 0 : 1;
        const auto mapped = table.map(GuestPhysical{3 * g - 4 * k},
                                      HostPhysical{4 * k},
                                      Bytes{6 * m},
                                      Access::all,
                                      MemoryType::write_back);
        if (mapped)
            break;
        EXPECT_EQ(mapped.error(), Error::out_of_frames);
        for (u64 at = 2 * g; at < 4 * g; at += m)
            EXPECT_FALSE(table.translate(GuestPhysical{at}));
        EXPECT_FALSE(table.translate(GuestPhysical{3 * g - 4 * k}));
        EXPECT_EQ(table.tables(), 2u + n);
        EXPECT_EQ(tables.live(), 2u + n);
    }
    for (usize n = 0;; ++n) {
        tables.allocations_left = n == 0 ? 0 : 1;
        const auto unmapped = table.unmap_page(GuestPhysical{4 * k}, HostPhysical{g + 4 * k});
        if (unmapped)
            break;
        EXPECT_EQ(unmapped.error(), Error::out_of_frames);
        for (u64 at = 0; at < g; at += m / 2)
            EXPECT_EQ(hardware_walk(tables, table.root(), at)->host, g + at);
        EXPECT_TRUE(table.translate(GuestPhysical{4 * k}));
    }
    EXPECT_TRUE(table.translate(GuestPhysical{0}));
    EXPECT_FALSE(table.translate(GuestPhysical{4 * k}));
}

TEST(ExtendedPages, TranslateToo) {
    TestTables tables;
    PageTable table{Layout{Format::extended_page_tables, LargestPage::size_2m}, tables};
    ASSERT_TRUE(table.initialise());
    ASSERT_TRUE(table.map(GuestPhysical{2 * m},
                          HostPhysical{4 * m},
                          Bytes{2 * m + 4 * k},
                          Access::read_execute,
                          MemoryType::uncached));
    const auto found = table.translate(GuestPhysical{4 * m + 5});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address.raw(), 6 * m + 5);
    EXPECT_EQ(found->access, Access::read_execute);
    EXPECT_EQ(found->type, MemoryType::uncached);
    const auto walked = test::extended_walk(tables, table.root(), 4 * m + 5);
    ASSERT_TRUE(walked);
    EXPECT_EQ(walked->host, 6 * m + 5);
    EXPECT_TRUE(!walked->writable && walked->executable && walked->uncached);
    EXPECT_EQ(test::extended_walk(tables, table.root(), 2 * m)->page_bytes, 2 * m);
    EXPECT_FALSE(test::extended_walk(tables, table.root(), 4 * m + 4 * k));
}

/// Who reads losses() between two stores, and the table then, must not keep it for what comes
/// after.
TEST_F(PageTableTest, LossesGrowBeforeAndAfterWhatIsLost) {
    struct Watch final : StoreObserver {
        void stored() override { seen.push_back(table->losses()); }
        const PageTable* table{};
        std::vector<u64> seen;
    } watch;
    PageTable watched{Layout{}, tables, &watch};
    watch.table = &watched;
    ASSERT_TRUE(watched.initialise());
    ASSERT_TRUE(watched.map(
        GuestPhysical{0}, HostPhysical{0}, Bytes{4 * m}, Access::all, MemoryType::write_back));
    const auto check = [&](const char* what, auto&& change) {
        const u64 before = watched.losses();
        watch.seen.clear();
        ASSERT_TRUE(change()) << what;
        ASSERT_FALSE(watch.seen.empty()) << what;
        EXPECT_GT(watch.seen.back(), before) << what;
        EXPECT_GT(watched.losses(), watch.seen.back()) << what;
    };
    check("unmap_page",
          [&] { return watched.unmap_page(GuestPhysical{4 * k}, HostPhysical{4 * k}).is_ok(); });
    // What is undone was there for a moment.
    tables.allocations_left = 1;
    check("map that fails", [&] {
        return !watched.map(GuestPhysical{g - 4 * m},
                            HostPhysical{g - 4 * m},
                            Bytes{4 * m + 4 * k},
                            Access::all,
                            MemoryType::write_back);
    });
}

} // namespace
} // namespace ravelin::hv::stage2

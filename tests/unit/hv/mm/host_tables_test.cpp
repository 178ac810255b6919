// SPDX-License-Identifier: Apache-2.0
// The hypervisor's page tables: what is mapped translates, nothing else does, nothing is writable
// and executable, and running out of frames is an error at every point.
#include "table_fixture.hpp"

#include <hv/mm/host_tables.hpp>

namespace ravelin::hv::mm {
namespace {

constexpr u64 gib = u64{1} << 30;
constexpr u64 mib2 = u64{1} << 21;
constexpr HostVirtual base{0xffff'8000'0000'0000};

class HostTablesTest : public testing::Test {
  protected:
    HostTablesTest() { EXPECT_TRUE(tables.initialise().is_ok()); }
    bool translates(u64 offset, u64 to) const {
        HostTables::Translation found{};
        return tables.translate(base + offset, found) && found.address == HostPhysical{to};
    }
    test::TestTables memory;
    HostTables tables{memory};
};

TEST_F(HostTablesTest, LargePagesWhereAlignmentAllows) {
    ASSERT_TRUE(tables
                    .map(base + page_size,
                         HostPhysical{page_size},
                         Bytes{2 * gib - page_size},
                         Protection::read_write,
                         Cache::write_back,
                         gib)
                    .is_ok());
    EXPECT_EQ(tables.tables(), 4u); // root, one of each level: 4 KiB up to 2 MiB, then larger
    for (const u64 at : {page_size, mib2 - 1, mib2, gib - 1, gib, 2 * gib - 1})
        EXPECT_TRUE(translates(at, at)) << at;
    EXPECT_FALSE(translates(0, 0));
    EXPECT_FALSE(translates(2 * gib, 2 * gib));
}

TEST_F(HostTablesTest, NothingIsWritableAndExecutable) {
    u64 at = 0;
    for (const auto protection :
         {Protection::read_only, Protection::read_write, Protection::read_execute}) {
        ASSERT_TRUE(
            tables.map(base + at, HostPhysical{at}, Bytes{page_size}, protection, Cache::write_back)
                .is_ok());
        HostTables::Translation found{};
        ASSERT_TRUE(tables.translate(base + at, found));
        EXPECT_EQ(found.protection, protection);
        at += page_size;
    }
    const auto leaf_table = memory.page(HostFrame{0x103});
    for (u64 i = 0; i < 3; ++i) {
        const bool writable = (leaf_table[i] & 2) != 0;
        const bool executable = leaf_table[i] >> 63 == 0;
        EXPECT_FALSE(writable && executable);
    }
}

TEST_F(HostTablesTest, NothingIsMappedTwice) {
    const auto map = [this](u64 at, u64 size, u64 largest) {
        return tables.map(base + at,
                          HostPhysical{at},
                          Bytes{size},
                          Protection::read_only,
                          Cache::uncached,
                          largest);
    };
    ASSERT_TRUE(map(0, mib2, mib2).is_ok());
    EXPECT_EQ(map(0, page_size, page_size).error(), HostTableError::already_mapped);
    EXPECT_EQ(map(0, mib2, mib2).error(), HostTableError::already_mapped);
    EXPECT_EQ(map(1, page_size, page_size).error(), HostTableError::misaligned);
    EXPECT_EQ(map(gib, 1, page_size).error(), HostTableError::misaligned);
}

TEST_F(HostTablesTest, RunningOutOfFramesIsAnErrorEverywhere) {
    for (usize frames = 0; frames < 4; ++frames) {
        test::TestTables scarce;
        scarce.allocations_left = frames;
        HostTables scarce_tables{scarce};
        const auto made = scarce_tables.initialise();
        const bool mapped = made.is_ok() && scarce_tables
                                                .map(base,
                                                     HostPhysical{0},
                                                     Bytes{page_size},
                                                     Protection::read_only,
                                                     Cache::write_back)
                                                .is_ok();
        EXPECT_FALSE(mapped) << frames;
    }
}

} // namespace
} // namespace ravelin::hv::mm

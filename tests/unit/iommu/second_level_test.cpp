// SPDX-License-Identifier: Apache-2.0
// Second-level tables: what they translate, at every intermediate state, and when memory runs out.
#include "unit_model.hpp"

#include <iommu/second_level.hpp>

#include <gtest/gtest.h>

namespace ravelin::iommu {
namespace {

using test::ModelMemory;

class Units final : public Forgetting {
  public:
    Status<Error> forget_translations() override {
        ++asked;
        if (broken)
            return Failure{Error::timed_out};
        return Unit{};
    }
    unsigned asked = 0;
    bool broken = false;
};

constexpr u64 mib = 1024 * 1024;

struct Fixture {
    explicit Fixture(Geometry geometry = {4, 3, 48})
        : table{geometry, TableWriter{memory, memory, Coherency::written_back}, units} {
        EXPECT_TRUE(table.initialise());
    }
    ModelMemory memory;
    Units units;
    SecondLevelTable table;
};

TEST(SecondLevel, UsesTheLargestPagesThatFit) {
    Fixture f;
    ASSERT_TRUE(f.table.map(
        GuestPhysical{0}, HostPhysical{0x4000'0000}, Bytes{1024 * mib}, Access::read_write));
    EXPECT_EQ(f.table.tables(), 2u) << "root and one table for a 1 GiB page";
    const auto there = f.table.translate(GuestPhysical{0x1234'5678});
    ASSERT_TRUE(there);
    EXPECT_EQ(there->address, HostPhysical{0x5234'5678});
}

TEST(SecondLevel, KeepsToWhatTheUnitWalks) {
    Fixture f{{3, 1, 39}};
    ASSERT_TRUE(f.table.map(GuestPhysical{0}, HostPhysical{0}, Bytes{2 * mib}, Access::read_write));
    EXPECT_EQ(f.table.tables(), 3u) << "4 KiB pages only";
    const auto beyond =
        f.table.map(GuestPhysical{u64{1} << 39}, HostPhysical{0}, Bytes{4096}, Access::read);
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error(), Error::out_of_range);
}

TEST(SecondLevel, RefusesWhatIsNotWholeOrNotFree) {
    Fixture f;
    const auto map = [&f](u64 guest, u64 host, u64 size, Access access) {
        const auto mapped =
            f.table.map(GuestPhysical{guest}, HostPhysical{host}, Bytes{size}, access);
        return mapped ? std::optional<Error>{} : mapped.error();
    };
    EXPECT_EQ(map(1, 0, 4096, Access::read), Error::misaligned);
    EXPECT_EQ(map(0, 1, 4096, Access::read), Error::misaligned);
    EXPECT_EQ(map(0, 0, 0, Access::read), Error::misaligned);
    EXPECT_EQ(map(0, 0, 4096, Access::execute), Error::no_rights);
    EXPECT_EQ(map(0, u64{1} << 52, 4096, Access::read), Error::out_of_range);
    EXPECT_EQ(map(~u64{4095}, 0, 8192, Access::read), Error::out_of_range);
    EXPECT_EQ(map(0x3000, 0, 4096, Access::read), std::nullopt);
    EXPECT_EQ(map(0, 0, 0x4000, Access::read), Error::already_mapped);
    EXPECT_FALSE(f.table.translate(GuestPhysical{0})) << "nothing of a refused mapping is there";
    const auto unmapped = f.table.unmap(GuestPhysical{0x2000}, Bytes{0x2000});
    ASSERT_FALSE(unmapped);
    EXPECT_EQ(unmapped.error(), Error::not_mapped);
    EXPECT_TRUE(f.table.translate(GuestPhysical{0x3000}));
}

TEST(SecondLevel, UnmappingSplitsLargePagesAndGivesTablesBack) {
    Fixture f;
    ASSERT_TRUE(
        f.table.map(GuestPhysical{0}, HostPhysical{0}, Bytes{1024 * mib}, Access::read_write));
    ASSERT_TRUE(f.table.unmap(GuestPhysical{5 * mib}, Bytes{4096}));
    EXPECT_FALSE(f.table.translate(GuestPhysical{5 * mib}));
    EXPECT_EQ(f.table.translate(GuestPhysical{5 * mib + 4096})->address,
              HostPhysical{5 * mib + 4096});
    EXPECT_EQ(f.units.asked, 1u);
    ASSERT_TRUE(f.table.unmap(GuestPhysical{0}, Bytes{5 * mib}));
    ASSERT_TRUE(f.table.unmap(GuestPhysical{5 * mib + 4096}, Bytes{1019 * mib - 4096}));
    EXPECT_EQ(f.table.tables(), 1u) << "the root alone";
    EXPECT_EQ(f.memory.live(), 1u);
}

TEST(SecondLevel, NothingIsGivenBackThatAUnitMayStillWalk) {
    Fixture f;
    ASSERT_TRUE(f.table.map(GuestPhysical{0}, HostPhysical{0}, Bytes{4096}, Access::read));
    const usize before = f.memory.live();
    f.units.broken = true;
    EXPECT_FALSE(f.table.unmap(GuestPhysical{0}, Bytes{4096}));
    EXPECT_EQ(f.memory.live(), before);
}

TEST(SecondLevel, EveryAllocationMayFail) {
    for (usize fail_at = 0;; ++fail_at) {
        Fixture f;
        const usize before = f.memory.live();
        f.memory.allocations_left = fail_at;
        const auto mapped = f.table.map(
            GuestPhysical{2 * mib - 4096}, HostPhysical{4096}, Bytes{2 * mib}, Access::read_write);
        if (mapped) {
            EXPECT_GT(fail_at, 2u);
            break;
        }
        EXPECT_EQ(mapped.error(), Error::out_of_frames);
        EXPECT_EQ(f.memory.live(), before) << "a failed mapping leaves no table";
        EXPECT_FALSE(f.table.translate(GuestPhysical{2 * mib - 4096}));
    }
}

TEST(SecondLevel, ASplitThatRunsOutOfMemoryChangesNothing) {
    for (usize fail_at = 0;; ++fail_at) {
        Fixture f;
        ASSERT_TRUE(
            f.table.map(GuestPhysical{0}, HostPhysical{0}, Bytes{1024 * mib}, Access::read_write));
        f.memory.allocations_left = fail_at;
        const auto unmapped = f.table.unmap(GuestPhysical{4096}, Bytes{512 * mib});
        if (unmapped)
            break;
        for (const u64 at : {u64{0}, u64{4096}, 512 * mib, 1023 * mib})
            EXPECT_EQ(f.table.translate(GuestPhysical{at})->address, HostPhysical{at});
    }
}

} // namespace
} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
// History replay: after every single store of every operation, a CPU that walks the tables finds
// for each address what it found before the operation or what it finds after it, never a third
// thing; and no table is released before the CPUs were told.
#include "table_fixture.hpp"

#include <hv/stage2/page_table.hpp>

#include <functional>
#include <random>
#include <vector>

namespace ravelin::hv::stage2 {
namespace {

using test::extended_walk;
using test::hardware_walk;
using test::TestTables;

struct Meaning {
    u64 host;
    bool writable;
    bool executable;
    friend bool operator==(const Meaning&, const Meaning&) = default;
};
using Snapshot = std::vector<std::optional<Meaning>>;

/// Keeps every released table until invalidate() was called, as the hardware might still walk it.
class FlushCheckedTables final : public TableMemory {
  public:
    explicit FlushCheckedTables(TestTables& tables) : tables_{tables} {}
    Result<HostFrame, TableMemoryError> allocate() override { return tables_.allocate(); }
    void release(HostFrame frame) override {
        EXPECT_TRUE(flushed) << "table released while a CPU may walk it";
        tables_.release(frame);
    }
    TablePage page(HostFrame frame) override { return tables_.page(frame); }
    bool flushed = false;

  private:
    TestTables& tables_;
};

class Replay final : public StoreObserver, public Invalidator {
  public:
    explicit Replay(Format entries) : format{entries} {
        EXPECT_TRUE(table.initialise());
        table.set_invalidator(this);
        for (u64 at = 0; at < 3 * 0x4000'0000ull; at += 0x20'0000 / 2) {
            probes.push_back(at);
            probes.push_back(at + 0x3000);
        }
        for (u64 page = 0; page < 8; ++page)
            probes.push_back(0x4000'0000 - 0x4000 + page * 0x1000);
    }
    ~Replay() { checked.flushed = true; }
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    void stored() override {
        checked.flushed = false;
        history.push_back(snapshot());
    }
    void invalidate() override { checked.flushed = true; }

    Snapshot snapshot() {
        Snapshot out;
        out.reserve(probes.size());
        for (const u64 at : probes) {
            const auto walked = walk(at);
            out.push_back(
                walked ? std::optional{Meaning{walked->host, walked->writable, walked->executable}}
                       : std::nullopt);
        }
        return out;
    }

    [[nodiscard]] std::optional<test::HardwareTranslation> walk(u64 at) {
        return format == Format::nested_pages ? hardware_walk(tables, table.root(), at)
                                              : extended_walk(tables, table.root(), at);
    }

    void step(const std::function<void()>& operation) {
        const Snapshot before = snapshot();
        history.clear();
        operation();
        const Snapshot after = snapshot();
        for (const Snapshot& between : history)
            for (usize i = 0; i < probes.size(); ++i)
                ASSERT_TRUE(between[i] == before[i] || between[i] == after[i])
                    << "address " << probes[i] << " passed through a third translation";
    }

    Format format;
    TestTables tables;
    FlushCheckedTables checked{tables};
    PageTable table{Layout{format, LargestPage::size_1g}, checked, this};
    std::vector<u64> probes;
    std::vector<Snapshot> history;
};

class History : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats,
                         History,
                         ::testing::Values(Format::nested_pages, Format::extended_page_tables));

TEST_P(History, EveryIntermediateStateIsOldOrNew) {
    Replay replay{GetParam()};
    PageTable& table = replay.table;
    constexpr u64 g = 0x4000'0000;
    constexpr u64 m2 = 0x20'0000;
    replay.step([&] {
        ASSERT_TRUE(table.map(GuestPhysical{0},
                              HostPhysical{8 * g},
                              Bytes{2 * g + m2},
                              Access::all,
                              MemoryType::write_back));
    });
    for (const u64 at : {g - 0x3000, g - 0x2000, g, u64{0}, 2 * g + m2 - 0x1000})
        replay.step(
            [&] { ASSERT_TRUE(table.unmap_page(GuestPhysical{at}, HostPhysical{8 * g + at})); });
    replay.step([&] {
        ASSERT_TRUE(table.map(GuestPhysical{g - 0x3000},
                              HostPhysical{9 * g},
                              Bytes{0x2000},
                              Access::read,
                              MemoryType::write_back));
    });
    EXPECT_EQ(replay.walk(g - 0x2000)->host, 9 * g + 0x1000);
}

TEST_P(History, RandomOperations) {
    Replay replay{GetParam()};
    PageTable& table = replay.table;
    std::mt19937_64 random{20261121};
    constexpr u64 step = 0x10'0000;
    for (int round = 0; round < 120; ++round) {
        const u64 at = (random() % 2048) * step + (random() % 3) * 0x1000;
        const u64 size = 0x1000 * (1 + random() % (random() % 4 == 0 ? 300000 : 600));
        // Now and then memory runs out in the middle.
        replay.tables.allocations_left = random() % 4 == 0 ? random() % 4 : ~usize{0};
        replay.step([&] {
            if (random() % 2 == 0)
                (void)table.unmap_page(GuestPhysical{at}, HostPhysical{at + 8 * 0x4000'0000ull});
            else
                (void)table.map(GuestPhysical{at},
                                HostPhysical{at + 8 * 0x4000'0000ull},
                                Bytes{size},
                                Access::all,
                                MemoryType::write_back);
        });
        if (::testing::Test::HasFatalFailure())
            return;
    }
}

} // namespace
} // namespace ravelin::hv::stage2

// SPDX-License-Identifier: Apache-2.0
// Walks of a stage-2 table beside its writers: CPUs map, unmap and split while others translate,
// and what those find is the page that belongs there or nothing. Run under ThreadSanitizer by
// `cmake --preset tsan`.
#include <base/table_memory.hpp>
#include <hv/stage2/page_table.hpp>

#include <atomic>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <thread>

namespace ravelin::hv::stage2 {
namespace {

constexpr u64 large = u64{2} << 20;
constexpr u64 host_base = u64{1} << 32;
constexpr u64 area = 4 * large; ///< guest-physical 0 to here is played with
constexpr unsigned rounds = 2'000;

/// A pool that never moves, so that walks beside an allocation are as in the machine.
class Pool final : public TableMemory {
  public:
    Result<HostFrame, TableMemoryError> allocate() override {
        for (usize i = 0; i < used.size(); ++i)
            if (!used[i].exchange(true)) {
                (*pages)[i].fill(0);
                return HostFrame{first + i};
            }
        return Failure{TableMemoryError::out_of_frames};
    }
    void release(HostFrame frame) override {
        EXPECT_TRUE(used[frame.raw() - first].exchange(false)) << "released twice";
    }
    TablePage page(HostFrame frame) override { return TablePage{pages->at(frame.raw() - first)}; }

    static constexpr u64 first = 0x100;
    static constexpr usize count = 16;
    struct alignas(page_size) Page : std::array<u64, 512> {};
    std::unique_ptr<std::array<Page, count>> pages = std::make_unique<std::array<Page, count>>();
    std::array<std::atomic<bool>, count> used{};
};

/// As the machine's: it asks every walker to have let go of what it found; here that is counted.
struct Flushes final : Invalidator {
    void invalidate() override { ++count; }
    std::atomic<u64> count{0};
};

class TableThreads : public testing::Test {
  protected:
    TableThreads() {
        EXPECT_TRUE(table.initialise());
        table.set_invalidator(&flushes);
        EXPECT_TRUE(table.map(GuestPhysical{0},
                              HostPhysical{host_base},
                              Bytes{area},
                              Access::read_write,
                              MemoryType::write_back));
    }
    /// Takes pages out and puts them back. Each thread has its own, in the same tables.
    void punch(unsigned self, unsigned of) {
        std::mt19937_64 random{self};
        for (unsigned i = 0; i < rounds; ++i) {
            const u64 page = (random() % (area / page_size / of) * of + self) * page_size;
            const HostPhysical host{host_base + page};
            if (!table.unmap_page(GuestPhysical{page}, host))
                ++failures;
            if (table.find_ram(GuestPhysical{page}, Access::read))
                ++failures;
            if (!table.map(GuestPhysical{page},
                           host,
                           Bytes{page_size},
                           Access::read_write,
                           MemoryType::write_back))
                ++failures;
        }
    }
    void look(unsigned seed) {
        std::mt19937_64 random{seed};
        while (!done) {
            const u64 at = random() % (area + large);
            const auto ram = table.find_ram(GuestPhysical{at}, Access::read_write);
            if (ram && (at >= area || ram->raw() != host_base + at))
                ++failures;
            const auto found = table.translate(GuestPhysical{at});
            if (found && (at >= area || found->address.raw() != host_base + at))
                ++failures;
        }
    }

    Pool pool;
    Flushes flushes;
    PageTable table{{Format::nested_pages, LargestPage::size_2m}, pool};
    std::atomic<bool> done{false};
    std::atomic<unsigned> failures{0};
};

TEST_F(TableThreads, WalksFindThePageThatBelongsThereOrNothing) {
    std::thread looking[]{std::thread{[this] { look(11); }}, std::thread{[this] { look(12); }}};
    std::thread punching[]{std::thread{[this] { punch(0, 2); }},
                           std::thread{[this] { punch(1, 2); }}};
    for (std::thread& thread : punching)
        thread.join();
    done = true;
    for (std::thread& thread : looking)
        thread.join();
    EXPECT_EQ(failures, 0u);
    EXPECT_EQ(flushes.count, 2 * rounds);
    EXPECT_EQ(table.losses(), 4 * rounds); // before and after each loss
    for (u64 at = 0; at < area; at += page_size) {
        const auto ram = table.find_ram(GuestPhysical{at}, Access::read_write);
        ASSERT_TRUE(ram);
        ASSERT_EQ(ram->raw(), host_base + at);
    }
    EXPECT_EQ(table.tables(), 3 + area / large) << "each large page was split once";
}

} // namespace
} // namespace ravelin::hv::stage2

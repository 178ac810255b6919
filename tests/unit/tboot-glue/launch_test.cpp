// SPDX-License-Identifier: Apache-2.0
// A launch as a machine has it in memory, and everything that makes it none. The heap is one that a
// real tboot left.
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <memory>
#include <tboot/launch.hpp>
#include <vector>

namespace ravelin::tboot {
namespace {

using ByteVector = std::vector<u8>;

constexpr u64 heap_at = 0x3f000000;
constexpr u64 heap_size = 0x100000;
constexpr u64 shared_at = 0x2473000;

ByteVector corpus(const std::string& name) {
    std::ifstream file{std::string{RAVELIN_SOURCE_DIR} + "/tests/fuzz/corpus/" + name,
                       std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

class FakeMemory final : public PhysicalMemory {
  public:
    std::optional<std::span<const u8>> view(HostPhysical at, usize size) override {
        for (const auto& [start, bytes] : ranges)
            if (at.raw() >= start && at.raw() - start <= bytes.size() &&
                size <= bytes.size() - (at.raw() - start))
                return std::span<const u8>{bytes}.subspan(at.raw() - start, size);
        return std::nullopt;
    }
    std::map<u64, ByteVector> ranges;
};

class FakeRegisters final : public Registers {
  public:
    u64 read(u32 offset) override { return values.contains(offset) ? values[offset] : 0; }
    std::map<u32, u64> values{{reg::Sts::offset, 0x100c1},
                              {reg::heap_base, heap_at},
                              {reg::heap_size, heap_size},
                              {reg::sinit_base, 0x3ef00000},
                              {reg::sinit_size, 0x80000}};
};

class TbootLaunch : public ::testing::Test {
  protected:
    TbootLaunch() {
        ByteVector heap = corpus("txt_heap/launch");
        heap.resize(heap_size);
        memory.ranges[heap_at] = heap;
        memory.ranges[shared_at] = corpus("tboot_shared/launch");
    }
    std::string problem() {
        launch = std::make_unique<Launch>();
        const auto examined = examine(HostPhysical{page}, registers, memory, *launch);
        return examined ? ""
                        : std::string{examined.error().what} + ": " +
                              std::string{examined.error().detail};
    }
    u64 page = shared_at;
    FakeMemory memory;
    FakeRegisters registers;
    std::unique_ptr<Launch> launch;
};

TEST_F(TbootLaunch, AllOfItAgrees) {
    ASSERT_EQ(problem(), "");
    EXPECT_EQ(launch->event_log.size(), 2583u);
    EXPECT_EQ(launch->shared.shutdown_entry, HostPhysical{0x8041d0});
    EXPECT_EQ(launch->heap.sinit_mle.dmar.size(), 120u);
    EXPECT_EQ(launch->kept.size(), 6u);
    const UsableMemory usable = launch->usable_memory();
    EXPECT_TRUE(usable.covers({HostPhysical{0x200000}, Bytes{0x100000}}));
    for (const u64 at : {u64{0x804000}, u64{0x60000}, heap_at, u64{0x3ef00000}, u64{0xb0000000}})
        EXPECT_FALSE(usable.covers({HostPhysical{at}, Bytes{0x1000}})) << at;
}

TEST_F(TbootLaunch, RegistersThatTellOtherwise) {
    const auto with = [this](u32 offset, u64 value) {
        const auto before = registers.values;
        registers.values[offset] = value;
        const std::string out = problem();
        registers.values = before;
        return out;
    };
    EXPECT_EQ(with(reg::Sts::offset, ~u64{0}), "no TXT registers answer: ");
    EXPECT_EQ(with(reg::Sts::offset, 0), "TXT.STS says that no GETSEC[SENTER] was done: ");
    EXPECT_EQ(with(reg::Sts::offset, 3), "TXT.STS says that GETSEC[SEXIT] was done: ");
    EXPECT_EQ(with(reg::Ests::offset, 1), "TXT.ESTS says that TXT reset the machine: ");
    for (const u64 base : {u64{0}, u64{0x800}, u64{1} << 32, u64{0xfffff000}})
        EXPECT_EQ(with(reg::heap_base, base), "TXT.HEAP.BASE and SIZE are no heap: ") << base;
    for (const u64 size : {u64{0}, u64{1} << 32, ~u64{0}})
        EXPECT_EQ(with(reg::heap_size, size), "TXT.HEAP.BASE and SIZE are no heap: ") << size;
    EXPECT_EQ(with(reg::heap_base, 0x10000000), "the TXT heap cannot be read: ");
    EXPECT_EQ(with(reg::sinit_size, 0), "TXT.SINIT.BASE and SIZE are no SINIT: ");
}

TEST_F(TbootLaunch, PagesThatAreNotTboots) {
    page = shared_at + 8;
    EXPECT_EQ(problem(), "tboot= names no page below 4 GiB: ");
    page = u64{1} << 32;
    EXPECT_EQ(problem(), "tboot= names no page below 4 GiB: ");
    page = 0x5000;
    EXPECT_EQ(problem(), "tboot's shared page cannot be read: ");
    memory.ranges[page] = ByteVector(4096);
    EXPECT_EQ(problem(), "tboot's shared page: not tboot's page");
    memory.ranges[page] = memory.ranges[shared_at]; // a copy, elsewhere
    EXPECT_EQ(problem(), "tboot's shared page lies outside tboot: ");
}

TEST_F(TbootLaunch, AHeapThatIsWrong) {
    memory.ranges[heap_at][8] = 0x20;
    EXPECT_EQ(problem(), "the TXT heap: a table's version is not known");
    memory.ranges[heap_at] = ByteVector(heap_size);
    EXPECT_EQ(problem(), "the TXT heap: a table ends early");
}

TEST_F(TbootLaunch, ALogThatIsNotTxts) {
    const ByteVector heap = corpus("txt_heap/launch");
    // The element: type 8, size 28, then the address.
    constexpr usize element = 72 + 40 + 8 + 92;
    const auto with = [&](usize at, u32 value) {
        auto changed = memory.ranges[heap_at];
        std::swap(changed, memory.ranges[heap_at]);
        for (usize i = 0; i < 4; ++i)
            memory.ranges[heap_at][element + at + i] = static_cast<u8>(value >> (8 * i));
        const std::string out = problem();
        std::swap(changed, memory.ranges[heap_at]);
        return out;
    };
    EXPECT_EQ(with(8, 0x10000000), "the event log lies outside the TXT heap and tboot: ");
    EXPECT_EQ(with(8, 0x3f0ffff0), "the event log lies outside the TXT heap and tboot: ");
    EXPECT_EQ(with(24, 0), "SINIT left no crypto-agile event log: ");
    EXPECT_EQ(with(0, 7), "SINIT left no crypto-agile event log: ");
}

} // namespace
} // namespace ravelin::tboot

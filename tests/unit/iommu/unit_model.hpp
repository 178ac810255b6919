// SPDX-License-Identifier: Apache-2.0
// A remapping unit as hardware: it walks the tables that software gave it, caches what it walked
// until it is told to forget, runs the invalidation queue, records faults. Written from the manual,
// not from our code. It sees memory as it was last written back, so that a missing flush shows; and
// after every write back it asks the test to look.
#pragma once

#include <base/table_memory.hpp>
#include <iommu/platform.hpp>

#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

namespace ravelin::iommu::test {

/// Frames with fault injection, and beside each the copy that devices see.
class ModelMemory final : public TableMemory, public Platform {
  public:
    using Page = std::array<u64, 512>;

    Result<HostFrame, TableMemoryError> allocate() override;
    void release(HostFrame frame) override;
    TablePage page(HostFrame frame) override;

    u64 microseconds() override { return now += 10; }
    void relax() override {}
    void write_back(const void* at, usize size) override;

    /// A word as a device reads it; a table that was released is a failure of the test.
    u64 device_read(u64 address);
    void device_write(u64 address, u32 value);
    [[nodiscard]] usize live() const { return pages_.size(); }

    usize allocations_left = ~usize{0};
    bool coherent = false; ///< devices see the CPU's stores at once
    u64 now = 0;
    std::function<void()> after_store = [] {};

  private:
    struct Frames {
        Page cpu{};
        Page device{};
    };
    u64 next_ = 0x100;
    std::map<u64, std::unique_ptr<Frames>> pages_;
};

struct Outcome {
    std::optional<u64> address; ///< none: blocked
    u8 reason = 0;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

class UnitModel final : public RegisterSpace {
  public:
    explicit UnitModel(ModelMemory& memory) : memory_{memory} {}

    u32 read32(u32 offset) override;
    u64 read64(u32 offset) override;
    void write32(u32 offset, u32 value) override;
    void write64(u32 offset, u64 value) override;

    enum class Direction : u8 { read, write };
    /// A device's request. Blocked ones are recorded.
    Outcome dma(u16 source_id, u64 address, Direction direction);
    struct Interrupt {
        u8 vector;
        u8 target;
        friend bool operator==(const Interrupt&, const Interrupt&) = default;
    };
    /// A device's write to FEExxxxxh.
    std::optional<Interrupt> message(u16 source_id, u64 address, u32 data);

    /// The same walk without caches and records, for looking at intermediate states.
    Outcome walk(u16 source_id, u64 address, Direction direction);

    // What the machine is like.
    u64 cap = u64{2} << 0 | u64{6} << 8 | u64{47} << 16 | u64{0x22} << 24 | u64{3} << 34 |
              u64{1} << 5 | u64{3} << 40; // 4 fault records at 220h
    u64 ecap = 1 << 1 | 1 << 3 | u64{0x1a} << 8;
    u32 status = 0; ///< GSTS
    bool dead_queue = false;
    bool refuse_descriptors = false;
    u32 dead_commands = 0; ///< GCMD bits that are never confirmed
    u32 protected_memory = 0;
    u32 descriptors = 0;

  private:
    void run_queue();
    void perform(u64 low, u64 high);
    void record(u16 source_id, u64 info, u8 reason, Direction direction);

    struct ContextKey {
        u16 source_id;
        auto operator<=>(const ContextKey&) const = default;
    };
    struct Context {
        u64 low;
        u64 high;
    };
    struct Cached {
        u64 page;
        bool readable;
        bool writable;
    };

    ModelMemory& memory_;
    u64 root_ = 0;
    u64 root_latched_ = 0;
    u64 queue_ = 0;
    u64 head_ = 0;
    u64 tail_ = 0;
    u64 interrupts_ = 0;
    u64 interrupts_latched_ = 0;
    u32 fault_status_ = 0;
    u32 fault_control_ = 1u << 31;
    u32 next_record_ = 0;
    std::array<std::array<u64, 2>, 4> records_{};
    std::map<u16, Context> contexts_;
    std::map<std::pair<u16, u64>, Cached> iotlb_; ///< by domain tag and page
    std::map<u16, std::array<u64, 2>> entries_;
};

} // namespace ravelin::iommu::test

// SPDX-License-Identifier: Apache-2.0
// Table memory with fault injection, and a walker written from the manual instead of from our code:
// what a CPU would translate at this moment. It traps on a released table.
#pragma once

#include <base/table_memory.hpp>

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

namespace ravelin::test {

class TestTables final : public TableMemory {
  public:
    Result<HostFrame, TableMemoryError> allocate() override {
        if (allocations_left == 0)
            return Failure{TableMemoryError::out_of_frames};
        --allocations_left;
        pages_.push_back(std::make_unique<std::array<u64, 512>>());
        ++live_;
        return HostFrame{first + pages_.size() - 1};
    }
    void release(HostFrame frame) override {
        ASSERT_NE(pages_.at(frame.raw() - first), nullptr);
        pages_[frame.raw() - first].reset();
        --live_;
        ++released;
    }
    TablePage page(HostFrame frame) override {
        const auto& page = pages_.at(frame.raw() - first);
        if (page == nullptr)
            throw std::out_of_range{"a released table"};
        return TablePage{*page};
    }
    [[nodiscard]] usize live() const { return live_; }

    usize allocations_left = ~usize{0};
    usize released{};

  private:
    static constexpr u64 first = 0x100;
    std::vector<std::unique_ptr<std::array<u64, 512>>> pages_; ///< null: released
    usize live_{};
};

struct HardwareTranslation {
    u64 host;
    bool writable;
    bool executable;
    bool uncached;
    u64 page_bytes;
    friend bool operator==(const HardwareTranslation&, const HardwareTranslation&) = default;
};

/// An AMD nested walk: present, user and rights of all levels. [AMD APM vol2 5.4.1, 15.25.5]
inline std::optional<HardwareTranslation>
hardware_walk(TestTables& tables, HostPhysical root, u64 guest) {
    u64 table = root.raw();
    bool writable = true;
    bool executable = true;
    for (int level = 4; level >= 1; --level) {
        const int shift = 12 + 9 * (level - 1);
        const u64 e = tables.page(HostFrame{table >> 12})[(guest >> shift) & 511];
        if ((e & 1) == 0)
            return std::nullopt;
        // Not EXPECT_EQ and its like: their bookkeeping costs more than the walk, millions of
        // times.
        if ((e & 4) == 0)
            ADD_FAILURE() << "a nested entry without U/S faults on every access";
        if ((e & 0x7ff0'0000'0000'0000) != 0)
            ADD_FAILURE() << "reserved or ignored bits set";
        writable = writable && (e & 2) != 0;
        executable = executable && (e >> 63) == 0;
        if (level == 1 || (e & 0x80) != 0) {
            const u64 bytes = u64{1} << shift;
            const u64 base = e & 0x000f'ffff'ffff'f000;
            if (level > 3 || base % bytes != 0)
                ADD_FAILURE() << "a page of no size, or not aligned to its size";
            return HardwareTranslation{
                base + guest % bytes, writable, executable, (e & 0x10) != 0, bytes};
        }
        table = e & 0x000f'ffff'ffff'f000;
    }
    return std::nullopt;
}

/// An EPT walk: rights of all levels, the reserved bits of each. [SDM vol3 29.3.2, 29.3.3.1]
inline std::optional<HardwareTranslation>
extended_walk(TestTables& tables, HostPhysical root, u64 guest) {
    u64 table = root.raw();
    u64 rights = 7;
    for (int level = 4; level >= 1; --level) {
        const int shift = 12 + 9 * (level - 1);
        const u64 e = tables.page(HostFrame{table >> 12})[(guest >> shift) & 511];
        if ((e & 7) == 0)
            return std::nullopt;
        if ((e & 3) == 2)
            ADD_FAILURE() << "writable and not readable: a misconfiguration";
        if ((e & 0x800f'0000'0000'0000) != 0)
            ADD_FAILURE() << "reserved or ignored bits set";
        rights &= e;
        const bool leaf = level == 1 || (e & 0x80) != 0;
        const u64 type = e >> 3 & 7;
        if (leaf ? type != 0 && type != 6 : type != 0)
            ADD_FAILURE() << "a memory type that does not belong there";
        if (leaf) {
            const u64 bytes = u64{1} << shift;
            const u64 base = e & 0x000f'ffff'ffff'f000;
            if (level > 3 || base % bytes != 0)
                ADD_FAILURE() << "a page of no size, or not aligned to its size";
            if ((rights & 1) == 0)
                return std::nullopt;
            return HardwareTranslation{
                base + guest % bytes, (rights & 2) != 0, (rights & 4) != 0, type == 0, bytes};
        }
        table = e & 0x000f'ffff'ffff'f000;
    }
    return std::nullopt;
}

} // namespace ravelin::test

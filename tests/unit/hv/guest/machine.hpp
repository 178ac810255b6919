// SPDX-License-Identifier: Apache-2.0
// A guest of 4 MiB in an array, behind a real stage-2 table, with helpers to write its page tables.
#pragma once

#include "../stage2/table_fixture.hpp"

#include <hv/guest/memory.hpp>
#include <hv/guest/walk.hpp>

#include <vector>

namespace ravelin::test {

class GuestMachine : public hv::guest::FrameAccess {
  public:
    static constexpr u64 host_base = 0x4000'0000;
    static constexpr u64 size = 0x40'0000;

    GuestMachine() {
        EXPECT_TRUE(table.initialise());
        EXPECT_TRUE(table.map(GuestPhysical{0},
                              HostPhysical{host_base},
                              Bytes{size},
                              Access::all,
                              hv::stage2::MemoryType::write_back));
    }
    std::span<u8, page_size> bytes(HostFrame frame) override {
        const u64 offset = frame.address().raw() - host_base;
        EXPECT_LT(offset, size) << "the hypervisor left the guest's memory";
        return std::span{ram}.subspan(offset).first<page_size>();
    }
    void put(u64 at, u64 value) {
        for (int i = 0; i < 8; ++i)
            ram[at + static_cast<u64>(i)] = static_cast<u8>(value >> 8 * i);
    }
    u64 get(u64 at) {
        u64 value = 0;
        for (int i = 7; i >= 0; --i)
            value = value << 8 | ram[at + static_cast<u64>(i)];
        return value;
    }

    TestTables tables;
    hv::stage2::PageTable table{
        {hv::stage2::Format::nested_pages, hv::stage2::LargestPage::size_2m}, tables};
    hv::guest::Memory memory{table, *this};

  private:
    struct alignas(4096) Page {
        std::array<u8, page_size> bytes;
    };
    std::vector<Page> pages = std::vector<Page>(size / page_size);
    std::span<u8> ram{pages.front().bytes.data(), size};
};

} // namespace ravelin::test

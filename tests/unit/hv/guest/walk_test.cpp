// SPDX-License-Identifier: Apache-2.0
// The guest's page walk judges as the CPU does: rights by level, CPL, WP, NX, SMEP, SMAP and AC; A
// and D bits; all three table forms; and copies never leave what stage 2 maps.
#include "machine.hpp"

namespace ravelin::hv::guest {
namespace {

constexpr u64 present = 1;
constexpr u64 writable = 2;
constexpr u64 user = 4;
constexpr u64 accessed = 0x20;
constexpr u64 dirty = 0x40;
constexpr u64 large = 0x80;
constexpr u64 no_execute = u64{1} << 63;
constexpr u64 full = present | writable | user;

constexpr u64 cr0_paging = u64{1} << 31 | 1;
constexpr u64 cr0_write_protect = u64{1} << 16;
constexpr u64 cr4_smep = u64{1} << 20;
constexpr u64 cr4_smap = u64{1} << 21;
constexpr u64 rflags_ac = u64{1} << 18;
constexpr u64 efer_long = 0x500;
constexpr u64 efer_nx = 0x800;

class WalkTest : public ::testing::Test {
  protected:
    static constexpr u64 root = 0x1000;
    static constexpr u64 leaf_slot = 0x4000 + 5 * 8;
    static constexpr u64 address = 0x5123; // slot 5 of the last level

    void SetUp() override {
        machine.put(root, 0x2000 | full);
        machine.put(0x2000, 0x3000 | full);
        machine.put(0x3000, 0x4000 | full);
        machine.put(leaf_slot, 0x9000 | full);
    }
    [[nodiscard]] Result<GuestPhysical, PageFault> at(u64 virtual_address, Purpose purpose) const {
        return walk(machine.memory, state, GuestVirtual{virtual_address}, purpose);
    }
    [[nodiscard]] u32 fault(Purpose purpose) const {
        const auto walked = at(address, purpose);
        return walked ? ~0u : walked.error().error_code;
    }

    test::GuestMachine machine;
    cpu::PagingState state{cr0_paging | cr0_write_protect, root, 0x20, efer_long | efer_nx, 2, 0};
};

TEST_F(WalkTest, TranslatesAndMarks) {
    EXPECT_EQ(at(address, Purpose::read).value().raw(), 0x9123u);
    EXPECT_EQ(machine.get(leaf_slot), 0x9000 | full | accessed);
    EXPECT_EQ(machine.get(0x3000), 0x4000 | full | accessed);
    EXPECT_EQ(at(address, Purpose::write).value().raw(), 0x9123u);
    EXPECT_EQ(machine.get(leaf_slot), 0x9000 | full | accessed | dirty);
}

TEST_F(WalkTest, RightsNarrowOverTheLevels) {
    state.cpl = 3;
    machine.put(0x3000, 0x4000 | present | user);
    EXPECT_TRUE(at(address, Purpose::read));
    EXPECT_EQ(fault(Purpose::write), 7u);
    machine.put(0x2000, 0x3000 | present | writable);
    EXPECT_EQ(fault(Purpose::read), 5u);
    machine.put(root, 0);
    EXPECT_EQ(fault(Purpose::read), 4u);
}

TEST_F(WalkTest, WriteProtectBindsTheKernelOnlyWhenSet) {
    machine.put(leaf_slot, 0x9000 | present);
    EXPECT_EQ(fault(Purpose::write), 3u);
    state.cr0 &= ~cr0_write_protect;
    EXPECT_TRUE(at(address, Purpose::write));
}

TEST_F(WalkTest, NoExecute) {
    machine.put(leaf_slot, 0x9000 | present | no_execute);
    EXPECT_EQ(fault(Purpose::execute), 0x11u);
    EXPECT_TRUE(at(address, Purpose::read));
    state.efer = efer_long;
    EXPECT_EQ(fault(Purpose::read), 9u) << "NX without EFER.NXE is a reserved bit";
}

TEST_F(WalkTest, SmepAndSmap) {
    EXPECT_TRUE(at(address, Purpose::execute));
    state.cr4 |= cr4_smep;
    EXPECT_EQ(fault(Purpose::execute), 0x11u);
    state.cr4 |= cr4_smap;
    EXPECT_EQ(fault(Purpose::read), 1u);
    EXPECT_EQ(fault(Purpose::write), 3u);
    state.rflags |= rflags_ac;
    EXPECT_TRUE(at(address, Purpose::write));
    state.rflags = 2;
    state.cpl = 3;
    EXPECT_TRUE(at(address, Purpose::write));
}

TEST_F(WalkTest, LargePages) {
    machine.put(0x3000 + 8, 0x20'0000 | full | large);
    EXPECT_EQ(at(0x20'1234, Purpose::read).value().raw(), 0x20'1234u);
    machine.put(0x2000 + 8, full | large);
    EXPECT_EQ(at(0x4012'3456, Purpose::read).value().raw(), 0x12'3456u);
}

TEST_F(WalkTest, NonCanonicalAddressesFault) {
    EXPECT_FALSE(at(0x8000'0000'0000, Purpose::read));
    EXPECT_FALSE(at(~u64{0} >> 1, Purpose::read));
}

TEST_F(WalkTest, PhysicalAddressExtension) {
    state.efer = 0;
    state.cr3 = 0x1020; // pointers are 32-byte aligned
    machine.put(0x1020, 0x3000 | present);
    EXPECT_EQ(at(address, Purpose::write).value().raw(), 0x9123u);
    EXPECT_EQ(machine.get(0x1020), 0x3000 | present) << "pointers have no accessed bit";
}

TEST_F(WalkTest, TwoLevels) {
    state.efer = 0;
    state.cr4 = 0x10; // PSE
    state.cr3 = 0x6000;
    machine.put(0x6000, (0x7000 | full) | (u64{0x0040'0000 | full | large} << 32));
    machine.put(0x7000 + 5 * 4 - 4, u64{0x8000 | full} << 32); // slot 5 of 4-byte entries
    EXPECT_EQ(at(0x5321, Purpose::write).value().raw(), 0x8321u);
    EXPECT_EQ(machine.get(0x7000 + 16) >> 32, 0x8000 | full | accessed | dirty);
    EXPECT_EQ(at(0x40'0000 + 0x12345, Purpose::read).value().raw(), 0x41'2345u);
}

TEST_F(WalkTest, WithoutPagingAddressesArePhysical) {
    state.cr0 = 1;
    EXPECT_EQ(at(0x1'0000'2345, Purpose::read).value().raw(), 0x2345u);
}

TEST_F(WalkTest, TablesOutsideMemoryFault) {
    state.cr3 = 0x7fff'f000;
    EXPECT_FALSE(at(address, Purpose::read));
}

TEST_F(WalkTest, CopiesCrossPagesAndStopAtHoles) {
    machine.put(0x4000 + 6 * 8, 0xb000 | full);
    machine.put(0x9ff8, 0x1111'1111'1111'1111);
    machine.put(0xb000, 0x2222'2222'2222'2222);
    std::array<u8, 16> out{};
    ASSERT_TRUE(copy_in(machine.memory, state, GuestVirtual{0x5ff8}, out));
    EXPECT_EQ(out[7], 0x11);
    EXPECT_EQ(out[8], 0x22);
    ASSERT_TRUE(copy_out(machine.memory, state, GuestVirtual{0x5ffc}, out));
    EXPECT_EQ(machine.get(0xb004) & 0xff, 0x22u);
    std::array<u8, 0x1010> much{};
    EXPECT_EQ(copy_in(machine.memory, state, GuestVirtual{0x6000}, much).error(),
              CopyError::page_fault);
    machine.put(0x4000 + 7 * 8, 0x50'0000 | full); // beyond its memory
    EXPECT_EQ(copy_in(machine.memory, state, GuestVirtual{0x7000}, out).error(),
              CopyError::refused);
    EXPECT_EQ(fetch(machine.memory, state, GuestVirtual{0x6ff8}, out), 8u);
}

TEST_F(WalkTest, DeviceMemoryAndRightsOfStageTwoAreRespected) {
    ASSERT_TRUE(machine.table.map(GuestPhysical{0x80'0000},
                                  HostPhysical{0xf000'0000},
                                  Bytes{page_size},
                                  Access::read_write,
                                  stage2::MemoryType::uncached));
    const HostPhysical there = machine.table.translate(GuestPhysical{0x9000})->address;
    ASSERT_TRUE(machine.table.unmap_page(GuestPhysical{0x9000}, there));
    ASSERT_TRUE(machine.table.map(GuestPhysical{0x9000},
                                  there,
                                  Bytes{page_size},
                                  Access::read,
                                  stage2::MemoryType::write_back));
    std::array<u8, 4> out{};
    EXPECT_EQ(machine.memory.read(GuestPhysical{0x80'0000}, out).error(), MemoryError::not_memory);
    EXPECT_EQ(machine.memory.write(GuestPhysical{0x9000}, out).error(), MemoryError::forbidden);
    EXPECT_EQ(machine.memory.load(GuestPhysical{0x9004}).error(), MemoryError::unaligned);
    EXPECT_EQ(machine.memory.compare_exchange(GuestPhysical{0x9000}, 0, 1).error(),
              MemoryError::forbidden);
    EXPECT_EQ(machine.memory.read(GuestPhysical{~u64{0}}, out).error(), MemoryError::not_mapped);
}

class RecentWalkTest : public WalkTest {
  protected:
    void SetUp() override {
        WalkTest::SetUp();
        EXPECT_TRUE(at(address, Purpose::write)); // sets the accessed and dirty bits
    }
    [[nodiscard]] u8* find(Purpose purpose) {
        return reach(machine.memory, state, recent, GuestVirtual{address}, purpose);
    }
    [[nodiscard]] static HostFrame host(u64 page) {
        return HostFrame::of(HostPhysical{test::GuestMachine::host_base + page});
    }
    [[nodiscard]] u8* byte_of(u64 page) { return machine.bytes(host(page)).data() + 0x123; }

    RecentWalks recent;
};

TEST_F(RecentWalkTest, FindsWhatTheTablesSayNow) {
    EXPECT_EQ(find(Purpose::write), byte_of(0x9000));
    EXPECT_EQ(find(Purpose::read), byte_of(0x9000));
    machine.put(leaf_slot, 0xa000 | full | accessed | dirty);
    EXPECT_EQ(find(Purpose::read), byte_of(0xa000)) << "nobody flushes what the hypervisor keeps";
    for (const u64 slot : {root, u64{0x2000}, u64{0x3000}, leaf_slot}) {
        EXPECT_EQ(find(Purpose::write), byte_of(0xa000));
        const u64 was = machine.get(slot);
        machine.put(slot, was & ~present);
        EXPECT_EQ(find(Purpose::read), nullptr) << slot;
        machine.put(slot, was & ~writable);
        EXPECT_EQ(find(Purpose::write), nullptr) << slot;
        EXPECT_EQ(find(Purpose::read), byte_of(0xa000));
        EXPECT_EQ(find(Purpose::write), nullptr) << "what was found for reading";
        machine.put(slot, was);
    }
    machine.put(leaf_slot, 0xa000 | full | accessed);
    EXPECT_EQ(find(Purpose::write), nullptr) << "the dirty bit is set by the slow walk";
}

TEST_F(RecentWalkTest, RegistersDecideToo) {
    ASSERT_NE(find(Purpose::write), nullptr);
    const cpu::PagingState before = state;
    state.cr4 |= cr4_smap;
    EXPECT_EQ(find(Purpose::read), nullptr);
    state = before;
    state.cpl = 3;
    EXPECT_EQ(find(Purpose::read), nullptr);
    state = before;
    state.efer = efer_long;
    EXPECT_EQ(find(Purpose::read), nullptr);
    state = before;
    state.cr3 = 0x8000;
    EXPECT_EQ(find(Purpose::read), nullptr);
    state = before;
    EXPECT_EQ(find(Purpose::write), byte_of(0x9000));
}

TEST_F(RecentWalkTest, WhatStageTwoLostIsNotFound) {
    ASSERT_NE(find(Purpose::write), nullptr);
    ASSERT_TRUE(machine.table.unmap_page(GuestPhysical{0x9000}, host(0x9000).address()));
    ASSERT_TRUE(machine.table.map(GuestPhysical{0x9000},
                                  host(0x9000).address(),
                                  Bytes{page_size},
                                  Access::read,
                                  stage2::MemoryType::write_back));
    EXPECT_EQ(find(Purpose::write), nullptr);
    EXPECT_EQ(find(Purpose::read), byte_of(0x9000));
    ASSERT_TRUE(machine.table.unmap_page(GuestPhysical{0x9000}, host(0x9000).address()));
    EXPECT_EQ(find(Purpose::read), nullptr);
    ASSERT_TRUE(machine.table.map(GuestPhysical{0x9000},
                                  host(0xb000).address(),
                                  Bytes{page_size},
                                  Access::all,
                                  stage2::MemoryType::write_back));
    EXPECT_EQ(find(Purpose::write), byte_of(0xb000));
    // A page of its tables.
    ASSERT_TRUE(machine.table.unmap_page(GuestPhysical{0x4000}, host(0x4000).address()));
    EXPECT_EQ(find(Purpose::read), nullptr);
}

} // namespace
} // namespace ravelin::hv::guest

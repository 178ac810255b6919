// SPDX-License-Identifier: Apache-2.0
// What a function is found to be, what of its header a domain may write, where its BARs may lie.
#include "pci_fixture.hpp"

namespace ravelin::hv::vpci {
namespace {

TEST_F(PciTest, ProbeSizesBarsAndLeavesThemAsTheyWere) {
    ASSERT_EQ(function.probe(at, config), Unfit::fits);
    ASSERT_EQ(function.bars().size(), 2u);
    EXPECT_EQ(function.bars()[0].address, HostPhysical{bar0});
    EXPECT_EQ(function.bars()[0].size, Bytes{0x4000});
    EXPECT_EQ(function.bars()[1].address, HostPhysical{bar2});
    EXPECT_EQ(function.bars()[1].size, Bytes{0x1'0000});
    EXPECT_TRUE(function.bars()[1].is_64);
    ASSERT_TRUE(function.msix_table());
    EXPECT_EQ(function.msix_table()->start, HostPhysical{table});
    EXPECT_EQ(function.msix_table()->entries, entries);
    EXPECT_EQ(config.read(at, 0x10, 4), bar0);
    EXPECT_EQ(config.read(at, 0x1c, 4), 8u);
    EXPECT_EQ(config.read(at, 0x20, 4), 0xc001u);
    // While a BAR holds all ones, nothing decodes; and it never masters the bus.
    ASSERT_FALSE(config.writes.empty());
    EXPECT_EQ(config.writes.front(), (Write{4, 2, 0}));
    EXPECT_EQ(config.read(at, 4, 2) & 4, 0u);
}

TEST_F(PciTest, WhatIsUnfitSaysWhy) {
    EXPECT_EQ(Function{}.probe(PciAddress{0, 0, 4, 0}, config), Unfit::absent);
    config.set(0x08, 0x0604'0000);
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bridge);
    config.set(0x08, 0x0200'0000);
    config.set(0x0c, 0x0001'0000);
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bridge);
    config.set(0x0c, 0x0080'0000); // one of several functions
    EXPECT_EQ(Function{}.probe(at, config), Unfit::fits);
    config.set(msix + 4, 0xfff0 | 2); // a table that leaves its BAR
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bad_bars);
    config.set(msix + 4, 0x1000 | 4); // a table in an I/O BAR
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bad_bars);
    config.set(msix + 4, 0x1000 | 2);
    config.set_bar(0x10, 0, 0xffff'c000, 0); // unassigned
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bad_bars);
    config.set_bar(0x10, 0xe000'0800, 0xffff'f800, 0); // half a page
    EXPECT_EQ(Function{}.probe(at, config), Unfit::bad_bars);
    config.set(0x34, 0);
    EXPECT_EQ(Function{}.probe(at, config), Unfit::no_messages);
    config.set(0x34, msi); // a list without an end
    config.set(msi, 0x0180'0009 | msi << 8);
    EXPECT_EQ(Function{}.probe(at, config), Unfit::no_messages);
}

TEST_F(PciTest, BarsKeepClearOfWhatIsReserved) {
    ASSERT_EQ(function.probe(at, config), Unfit::fits);
    const auto clear = [&](u64 start, u64 size) {
        const std::array one{Reserved{HostPhysical{start}, size}};
        return function.keeps_clear_of(one);
    };
    EXPECT_TRUE(function.keeps_clear_of({}));
    EXPECT_TRUE(clear(bar0 - 0x1000, 0x1000));
    EXPECT_TRUE(clear(bar0 + 0x4000, 0x1000));
    EXPECT_FALSE(clear(bar0 - 0x1000, 0x1001)); // its last byte in the BAR's first
    EXPECT_FALSE(clear(bar0 + 0x3fff, 0x1000));
    EXPECT_FALSE(clear(bar0 + 0x1000, 0x10));          // inside
    EXPECT_FALSE(clear(bar0 - 0x10'0000, 0x100'0000)); // around
    EXPECT_FALSE(clear(bar2 + 0xffff, 1));             // the second BAR counts too
    const std::array two{Reserved{HostPhysical{0xfec0'0000}, 0x140'0000},
                         Reserved{HostPhysical{0xdff0'0000}, 0x10'1000}};
    EXPECT_FALSE(function.keeps_clear_of(two));
}

TEST_F(PciTest, ABarThatWrapsIsNeverClear) {
    config.set_bar(0x18, 0xffff'0000, 0xffff'0000, 4);
    config.set_bar(0x1c, 0xffff'ffff, ~u32{0}, 0);
    config.set(msix + 4, 0x1000 | 0);
    ASSERT_EQ(function.probe(at, config), Unfit::fits);
    EXPECT_FALSE(function.keeps_clear_of({}));
}

TEST_F(PciTest, GuestsSizeBarsButMoveNone) {
    hand_over();
    EXPECT_EQ(function.read_config(0x10, 4), bar0);
    function.write_config(0x10, 4, ~u32{0});
    EXPECT_EQ(function.read_config(0x10, 4), 0xffff'c000);
    function.write_config(0x10, 4, 0xdead'0000);
    EXPECT_EQ(function.read_config(0x10, 4), bar0);
    function.write_config(0x18, 4, ~u32{0});
    function.write_config(0x1c, 4, ~u32{0});
    EXPECT_EQ(function.read_config(0x18, 4), 0xffff'0004);
    EXPECT_EQ(function.read_config(0x1c, 4), ~u32{0});
    EXPECT_EQ(function.read_config(0x20, 4), 0u); // the I/O BAR is not shown
    EXPECT_EQ(function.read_config(0x30, 4), 0u); // nor a ROM
    EXPECT_EQ(function.read_config(0x3c, 4), 0u); // nor INTx
    EXPECT_TRUE(config.writes.empty());
}

TEST_F(PciTest, HostileWritesOfTheHeaderReachNothing) {
    hand_over();
    for (u16 offset = 0; offset < 0x40; ++offset)
        for (const u8 size : {u8{1}, u8{2}, u8{4}})
            if (offset % size == 0 && offset != 4 && offset != 6)
                function.write_config(offset, size, ~u32{0});
    for (u16 offset = 0x100; offset < 0x1000; offset = static_cast<u16>(offset + 4))
        function.write_config(offset, 4, ~u32{0}); // address translation services live there
    EXPECT_TRUE(config.writes.empty());
    // Of the command, I/O decoding stays off, INTx disabled.
    function.write_config(4, 4, ~u32{0});
    EXPECT_EQ(config.writes, (std::vector<Write>{{4, 2, 0x546}}));
    function.write_config(4, 1, ~u32{0});
    EXPECT_EQ(config.writes.size(), 1u);
    // What is the device's own business reaches it.
    function.write_config(0x44, 2, 0x1234);
    EXPECT_EQ(config.writes.back(), (Write{0x44, 2, 0x1234}));
}

} // namespace
} // namespace ravelin::hv::vpci

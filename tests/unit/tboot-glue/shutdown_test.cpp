// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <gtest/gtest.h>
#include <tboot/shutdown.hpp>

namespace ravelin::tboot {
namespace {

class TbootShutdown : public ::testing::Test {
  protected:
    [[nodiscard]] u64 read(usize at, usize size) const {
        u64 value = 0;
        for (usize i = 0; i < size; ++i)
            value |= u64{bytes[at + i]} << (8 * i);
        return value;
    }
    alignas(4096) std::array<u8, wire::tboot::Shared::size> bytes{};
    SharedPage page{bytes};
};

TEST_F(TbootShutdown, OneProcessorIsWokenAtItsPage) {
    bytes.fill(0xff);
    page.wake(ApicId{5}, HostPhysical{0x8000});
    EXPECT_EQ(read(0x23c, 8), 0x8000u);
    EXPECT_EQ(read(0x244, 4), 5u);
    EXPECT_EQ(read(0x248, 4), 0xffff'ffffu);
    bytes.fill(0);
    bytes[0x234] = 3;
    EXPECT_EQ(page.waiting(), 3u);
    EXPECT_DEATH(page.wake(ApicId{5}, HostPhysical{0x100000}), "");
    EXPECT_DEATH(page.wake(ApicId{5}, HostPhysical{0x8010}), "");
}

TEST_F(TbootShutdown, SoftOffSaysWhichPortsAndValues) {
    bytes.fill(0xee);
    page.request_end(wire::tboot::ShutdownType::soft_off, {0x604, 0x3400, 0, 0});
    EXPECT_EQ(read(0x1c, 4), 1u);
    EXPECT_EQ(read(0x20, 4), 0x02'00'10'01u); // I/O space, 16 bits, offset 0, word access
    EXPECT_EQ(read(0x24, 8), 0x604u);
    EXPECT_EQ(read(0x2c, 4), 0u);
    EXPECT_EQ(read(0x30, 8), 0u);
    EXPECT_EQ(read(0x38, 4), 0xeeeeeeeeu); // the event blocks are not ours
    EXPECT_EQ(read(0x50, 2), 0x3400u);
    EXPECT_EQ(read(0x52, 2), 0u);
    page.request_end(wire::tboot::ShutdownType::reboot, {});
    EXPECT_EQ(read(0x1c, 4), 0u);
    page.request_end(wire::tboot::ShutdownType::halt, {});
    EXPECT_EQ(read(0x1c, 4), 4u);
}

} // namespace
} // namespace ravelin::tboot

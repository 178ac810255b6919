// SPDX-License-Identifier: Apache-2.0
// The bus: both ways to a configuration space find the same function, and only the domain's own;
// the MSI-X table's pages are trapped as a whole.
#include "pci_fixture.hpp"

#include <hv/domain/vcpu.hpp>
#include <hv/vpci/bus.hpp>

namespace ravelin::hv::vpci {
namespace {

class BusTest : public PciTest {
  protected:
    static constexpr u64 ecam = 0xb000'0000;

    /// The domain owns `config`'s function, wherever that is.
    void own(FakeConfig& space, PciAddress where) {
        Function* place = bus.candidate();
        ASSERT_NE(place, nullptr);
        ASSERT_EQ(place->probe(where, space), Unfit::fits);
        place->hand_over(space, registers, router, apics);
        bus.keep();
        bus.set_ecam(GuestPhysical{ecam});
        space.forget();
        registers.writes = 0;
    }
    // SAFETY: the bus takes a vCPU because any device may; it never looks at it.
    domain::Vcpu& vcpu() { return reinterpret_cast<domain::Vcpu&>(storage_); }
    u64 read(u64 address, u8 size) { return bus.read_mmio(vcpu(), GuestPhysical{address}, size); }
    void write(u64 address, u8 size, u64 value) {
        bus.write_mmio(vcpu(), GuestPhysical{address}, size, value);
    }
    u32 read_port(u32 selected, u16 port, u8 size) {
        bus.write_port(vcpu(), 0xcf8, 4, selected);
        return bus.read_port(vcpu(), port, size);
    }
    static constexpr u64 place(u8 device, u8 function, u16 offset) {
        return ecam + (u64{device} << 15 | u64{function} << 12 | offset);
    }
    VirtualBus bus;

  private:
    alignas(domain::Vcpu) std::array<std::byte, sizeof(domain::Vcpu)> storage_{};
};

TEST_F(BusTest, BothWaysFindTheFunction) {
    own(config, at);
    EXPECT_EQ(read(place(3, 0, 0), 4), 0x1533'8086u);
    EXPECT_EQ(read(place(3, 0, 2), 2), 0x1533u);
    EXPECT_EQ(read_port(0x8000'1800, 0xcfc, 4), 0x1533'8086u);
    EXPECT_EQ(read_port(0x8000'1800, 0xcfe, 2), 0x1533u);
    EXPECT_EQ(bus.read_port(vcpu(), 0xcf8, 4), 0x8000'1800u);
    write(place(3, 0, 4), 2, 6);
    EXPECT_EQ(config.written(4), (std::vector<u32>{0x406}));
    bus.write_port(vcpu(), 0xcf8, 4, 0x8000'1804);
    bus.write_port(vcpu(), 0xcfc, 2, 2);
    EXPECT_EQ(config.written(4), (std::vector<u32>{0x406, 0x402}));
}

TEST_F(BusTest, NothingElseIsThere) {
    own(config, at);
    config.set(0x44, 0x55);
    for (u8 device = 0; device < 32; ++device)
        for (u8 number = 0; number < 8; ++number)
            if (device != 3 || number != 0) {
                EXPECT_EQ(read(place(device, number, 0), 4), ~u32{0});
            }
    EXPECT_EQ(read_port(0x0000'1800, 0xcfc, 4), ~u32{0}); // not enabled
    EXPECT_EQ(read_port(0x8001'1800, 0xcfc, 4), ~u32{0}); // another bus
    write(place(3, 1, 0x44), 4, 1);
    write(ecam + 0x10'0000, 4, 1);
    EXPECT_TRUE(config.writes.empty());
    EXPECT_EQ(read(ecam + 0x10'0000, 4), ~u64{0}); // bus 1
}

TEST_F(BusTest, CrookedAccessesReachNothing) {
    own(config, at);
    EXPECT_EQ(read(place(3, 0, 1), 4), ~u64{0});
    EXPECT_EQ(read(place(3, 0, 0), 8), ~u32{0});
    EXPECT_EQ(read_port(0x8000'1800, 0xcfd, 4), ~u32{0});
    write(place(3, 0, 0x45), 2, 1);
    write(place(3, 0, 0x48), 8, 1);
    bus.write_port(vcpu(), 0xcfd, 4, 1);
    bus.write_port(vcpu(), 0xcf9, 1, 6); // a reset, on real chipsets
    EXPECT_TRUE(config.writes.empty());
    // Eight bytes from a page's last four would reach the next page.
    const u64 last = table + 0x1000 - 4;
    write(last, 8, ~u64{0});
    write(table + 2, 4, ~u64{0});
    EXPECT_EQ(read(last, 8), ~u64{0});
    EXPECT_EQ(registers.writes, 0u);
}

TEST_F(BusTest, TheTableIsFoundByItsPages) {
    own(config, at);
    write(table, 4, guest_address);
    write(table + 8, 4, guest_data);
    write(table + 12, 4, 0);
    EXPECT_EQ(router.routes.size(), 1u);
    EXPECT_EQ(read(table, 4), guest_address);
    registers.writes = 0;
    write(bar2, 4, 1); // not one of its pages: mapped, never trapped
    write(table - 4, 4, 1);
    write(table + 0x1000, 4, 1);
    EXPECT_EQ(registers.writes, 0u);
}

TEST_F(BusTest, APlaceholderStandsAtFunctionZeroOfItsSlot) {
    constexpr PciAddress second{0, 0, 31, 2};
    FakeConfig elsewhere{second};
    for (u16 offset = 0; offset < 0x100; offset = static_cast<u16>(offset + 4))
        elsewhere.set(offset, config.read(at, offset, 4));
    elsewhere.bar_masks = config.bar_masks;
    own(elsewhere, second);
    EXPECT_EQ(read(place(31, 2, 0), 4), 0x1533'8086u);
    EXPECT_EQ(read(place(31, 0, 0), 4), 0xfffe'5853u);
    EXPECT_EQ(read(place(31, 0, 0x0e), 1), 0x80u); // look at the others too
    EXPECT_EQ(read(place(31, 0, 0x0b), 1), 0xffu);
    EXPECT_EQ(read_port(0x8000'f800, 0xcfc, 4), 0xfffe'5853u);
    for (u16 offset = 0x10; offset < 0x1000; offset = static_cast<u16>(offset + 4))
        EXPECT_EQ(read(place(31, 0, offset), 4), 0u);
    EXPECT_EQ(read(place(31, 1, 0), 4), ~u32{0});
    EXPECT_EQ(read(place(3, 0, 0), 4), ~u32{0});
    write(place(31, 0, 4), 2, 7);
    write(place(31, 0, 0x10), 4, ~u32{0});
    EXPECT_TRUE(elsewhere.writes.empty());
    EXPECT_EQ(read(place(31, 0, 0x10), 4), 0u);
}

} // namespace
} // namespace ravelin::hv::vpci

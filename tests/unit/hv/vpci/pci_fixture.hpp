// SPDX-License-Identifier: Apache-2.0
// A machine with one device for virtual PCI: a configuration space that sizes BARs as hardware
// does, the device's registers, and an interrupt router with few vectors. All keep what was
// written.
#pragma once

#include <hv/vpci/function.hpp>

#include <gtest/gtest.h>
#include <map>
#include <vector>

namespace ravelin::hv::vpci {

struct Write {
    u16 offset;
    u8 size;
    u32 value;
    friend bool operator==(const Write&, const Write&) = default;
};

/// Configuration space of one function; other functions are absent.
class FakeConfig final : public ConfigSpace {
  public:
    explicit FakeConfig(PciAddress at) : at_{at} { words_.fill(0); }
    u32 read(PciAddress device, u16 offset, u8 size) override {
        if (device != at_)
            return mask(size);
        return (words_[offset / 4] >> (8 * (offset & 3))) & mask(size);
    }
    void write(PciAddress device, u16 offset, u8 size, u32 value) override {
        EXPECT_EQ(device, at_);
        EXPECT_EQ(offset % size, 0);
        const u32 shift = 8 * (offset & 3u);
        u32& word = words_[offset / 4];
        const u32 moved = (word & ~(mask(size) << shift)) | ((value & mask(size)) << shift);
        const auto sized = bar_masks.find(offset);
        word =
            sized == bar_masks.end() ? moved : (moved & sized->second.first) | sized->second.second;
        writes.push_back({offset, size, value});
    }
    void set(u16 offset, u32 value) { words_[offset / 4] = value; }
    /// A BAR register that keeps `mask` of what is written, and these flags.
    void set_bar(u16 offset, u32 value, u32 mask, u32 flags) {
        set(offset, value | flags);
        bar_masks[offset] = {mask, flags};
    }
    /// What was written at that offset since forget(); empty when nothing.
    [[nodiscard]] std::vector<u32> written(u16 offset) const {
        std::vector<u32> out;
        for (const Write& one : writes)
            if (one.offset <= offset && offset < one.offset + one.size)
                out.push_back(one.value);
        return out;
    }
    void forget() { writes.clear(); }

    std::vector<Write> writes;
    std::map<u16, std::pair<u32, u32>> bar_masks;

  private:
    static constexpr u32 mask(u8 size) { return size == 4 ? ~u32{0} : (1u << (8 * size)) - 1; }
    PciAddress at_;
    std::array<u32, 1024> words_{};
};

class FakeRegisters final : public DeviceMemory {
  public:
    u64 read(HostPhysical at, u8) override { return words[at.raw()]; }
    void write(HostPhysical at, u8 size, u64 value) override {
        EXPECT_EQ(at.raw() % size, 0u);
        words[at.raw()] = value;
        ++writes;
    }
    std::map<u64, u64> words;
    usize writes{};
};

class FakeRouter final : public InterruptRouter {
  public:
    Result<InterruptMessage, RouteError>
    route(PciAddress device, vlapic::VirtualLocalApic& apic, Vector vector) override {
        if (routes.size() == room)
            return Failure{RouteError::no_vector};
        routes.push_back({device, &apic, vector});
        return message(routes.size() - 1);
    }
    void retarget(const InterruptMessage& changed,
                  vlapic::VirtualLocalApic& apic,
                  Vector vector) override {
        for (usize i = 0; i < routes.size(); ++i)
            if (message(i).address == changed.address)
                routes[i] = {routes[i].device, &apic, vector};
    }
    /// As a remappable message looks: nothing of the guest's.
    static InterruptMessage message(usize index) { return {0xfee0'0010 | u64{index} << 5, 0}; }
    struct Route {
        PciAddress device;
        vlapic::VirtualLocalApic* apic;
        Vector vector;
    };
    std::vector<Route> routes;
    usize room = 4;
};

/// A network card: BAR0 32-bit of 16 KiB, BAR2 64-bit of 64 KiB above 4 GiB with the MSI-X table at
/// 0x1000, MSI of 64 bits with mask bits at 0x50, MSI-X at 0x70, an I/O BAR at 4.
class PciTest : public testing::Test {
  protected:
    static constexpr PciAddress at{0, 0, 3, 0};
    static constexpr u64 bar0 = 0xe000'0000;
    static constexpr u64 bar2 = 0x8'0000'0000;
    static constexpr u64 table = bar2 + 0x1000;
    static constexpr u16 msi = 0x50;
    static constexpr u16 msix = 0x70;
    static constexpr u16 entries = 80; // more than the hypervisor keeps

    PciTest() : config{at} {
        config.set(0x00, 0x1533'8086);
        config.set(0x04, 0x0010'0003); // capabilities; I/O and memory on
        config.set(0x08, 0x0200'0003);
        config.set_bar(0x10, bar0, 0xffff'c000, 0);
        config.set_bar(0x14, 0, 0, 0);
        config.set_bar(0x18, 0, 0xffff'0000, 4);
        config.set_bar(0x1c, 0x8, ~u32{0}, 0);
        config.set_bar(0x20, 0xc000, 0xffff'ffe0, 1);
        config.set_bar(0x24, 0, 0, 0);
        config.set(0x34, msi);
        config.set(0x3c, 0x0000'010b);
        config.set(msi, 0x0180'0005 | msix << 8);
        config.set(msix, 0x0000'0011 | (entries - 1u) << 16);
        config.set(msix + 4, 0x1000 | 2);
        apic.initialise(ApicId{0}, vlapic::BootRole::boot_processor, apics);
    }
    void hand_over() {
        ASSERT_EQ(function.probe(at, config), Unfit::fits);
        function.hand_over(config, registers, router, apics);
        config.forget();
        registers.writes = 0;
    }
    static constexpr u32 guest_address = 0xfee0'0000; // to the APIC 0
    static constexpr u32 guest_data = 0x41;

    FakeConfig config;
    FakeRegisters registers;
    FakeRouter router;
    vlapic::ApicBus apics;
    vlapic::VirtualLocalApic apic;
    Function function;
};

} // namespace ravelin::hv::vpci

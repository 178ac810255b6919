// SPDX-License-Identifier: Apache-2.0
// Two local APICs on one bus, and the clock they are given.
#pragma once

#include <hv/vlapic/bus.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::vlapic {

struct Told final : cpu::Attention {
    void request_attention() override { ++times; }
    int times = 0;
};

class TwoApics : public testing::Test {
  protected:
    TwoApics() {
        first.set_listener(told_first);
        second.set_listener(told_second);
        first.initialise(ApicId{0}, BootRole::boot_processor, bus);
        second.initialise(ApicId{1}, BootRole::application_processor, bus);
    }
    static constexpr u32 msr(Reg which) { return x2apic_msr_base + static_cast<u32>(which); }
    static constexpr u32 offset(Reg which) { return static_cast<u32>(which) << 4; }
    void enable_x2apic(VirtualLocalApic& apic) {
        EXPECT_TRUE(
            apic.write_msr(ApicBase::msr, apic.read_msr(ApicBase::msr, now).value() | 0x400, now));
        EXPECT_TRUE(apic.write_msr(msr(Reg::spurious_interrupt), 0x1ff, now));
        told_first.times = 0;
        told_second.times = 0;
    }
    void enable_xapic(VirtualLocalApic& apic) {
        apic.write(offset(Reg::spurious_interrupt), 0x1ff, now);
    }
    bool write(VirtualLocalApic& apic, Reg which, u64 value) {
        return apic.write_msr(msr(which), value, now);
    }
    u64 read(VirtualLocalApic& apic, Reg which) {
        return apic.read_msr(msr(which), now).value_or(~u64{0});
    }

    cpu::Tsc now{1'000'000};
    Told told_first;
    Told told_second;
    ApicBus bus;
    VirtualLocalApic first;
    VirtualLocalApic second;
};

} // namespace ravelin::hv::vlapic

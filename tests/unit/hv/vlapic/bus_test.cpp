// SPDX-License-Identifier: Apache-2.0
#include "apic_fixture.hpp"

namespace ravelin::hv::vlapic {
namespace {

class Bus : public TwoApics {
  protected:
    Bus() {
        enable_x2apic(first);
        enable_x2apic(second);
    }
    bool command(u32 destination, u32 low) {
        return write(first, Reg::interrupt_command, u64{destination} << 32 | low);
    }
};

TEST_F(Bus, self_comes_by_both_ways) {
    EXPECT_TRUE(write(first, Reg::self_ipi, 0x41));
    EXPECT_EQ(first.pending_vector(), Vector{0x41});
    EXPECT_TRUE(command(0, 0x40042));
    EXPECT_EQ(first.pending_vector(), Vector{0x42});
    EXPECT_EQ(second.pending_vector(), std::nullopt);
}

TEST_F(Bus, physical_and_logical_destinations_find_their_apic) {
    EXPECT_TRUE(command(1, 0x50));
    EXPECT_EQ(second.pending_vector(), Vector{0x50});
    EXPECT_EQ(told_second.times, 1);
    EXPECT_TRUE(command(2, 0x851)); // logical: bit 1 of cluster 0
    EXPECT_EQ(second.pending_vector(), Vector{0x51});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    EXPECT_TRUE(command(~0u, 0x52));
    EXPECT_EQ(first.pending_vector(), Vector{0x52});
    EXPECT_EQ(second.pending_vector(), Vector{0x52});
}

TEST_F(Bus, shorthands) {
    EXPECT_TRUE(command(0, 0x80060));
    EXPECT_EQ(first.pending_vector(), Vector{0x60});
    EXPECT_EQ(second.pending_vector(), Vector{0x60});
    EXPECT_TRUE(command(0, 0xc0061));
    EXPECT_EQ(first.pending_vector(), Vector{0x60});
    EXPECT_EQ(second.pending_vector(), Vector{0x61});
}

TEST_F(Bus, an_illegal_vector_is_not_sent) {
    EXPECT_TRUE(command(1, 0x0f));
    EXPECT_EQ(second.pending_vector(), std::nullopt);
    EXPECT_TRUE(write(first, Reg::error_status, 0));
    EXPECT_EQ(read(first, Reg::error_status), 0x20u);
}

TEST_F(Bus, init_and_start_up_are_recorded_in_order) {
    EXPECT_TRUE(command(1, 0xc500));
    EXPECT_TRUE(command(1, 0x8500)); // de-assert: nothing
    EXPECT_TRUE(command(1, 0x699));
    const auto init = second.take_start_up();
    ASSERT_TRUE(init.has_value());
    EXPECT_EQ(init->kind, StartUp::Kind::init);
    const auto start = second.take_start_up();
    ASSERT_TRUE(start.has_value());
    EXPECT_EQ(start->kind, StartUp::Kind::start_up);
    EXPECT_EQ(start->page, Vector{0x99});
    EXPECT_FALSE(second.take_start_up().has_value());
    EXPECT_EQ(told_second.times, 2);
    EXPECT_FALSE(first.take_start_up().has_value());
}

TEST_F(Bus, nobody_is_nobody) {
    EXPECT_TRUE(command(9, 0x70));
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    EXPECT_EQ(second.pending_vector(), std::nullopt);
}

TEST_F(Bus, xapic_logical_destinations_flat_and_clustered) {
    EXPECT_TRUE(second.write_msr(ApicBase::msr, ApicBase::address, now));
    EXPECT_TRUE(second.write_msr(ApicBase::msr, ApicBase::address | 0x800, now));
    enable_xapic(second);
    second.write(offset(Reg::logical_destination), 0x0200'0000, now);
    EXPECT_TRUE(second.matches_logical(0x03));
    EXPECT_FALSE(second.matches_logical(0x01));
    second.write(offset(Reg::destination_format), 0, now);
    second.write(offset(Reg::logical_destination), 0x1200'0000, now);
    EXPECT_TRUE(second.matches_logical(0x13));
    EXPECT_FALSE(second.matches_logical(0x23));
    second.write(offset(Reg::interrupt_command_high), 0, now);
    second.write(offset(Reg::interrupt_command), 0x71, now);
    EXPECT_EQ(first.pending_vector(), Vector{0x71});
}

TEST_F(Bus, device_messages) {
    const auto fixed = decode({0xfee01000, 0x4051});
    ASSERT_TRUE(fixed.has_value());
    EXPECT_EQ(bus.target(*fixed), &second);
    bus.deliver(*fixed);
    EXPECT_EQ(second.pending_vector(), Vector{0x51});
    EXPECT_FALSE(decode({0xfed00000, 0x51}).has_value());
    EXPECT_FALSE(decode({0x1'fee00000, 0x51}).has_value());
    EXPECT_FALSE(decode({0xfee00000, 0x0f}).has_value()) << "an exception's vector";
    EXPECT_FALSE(decode({0xfee00000, 0x451}).has_value()) << "NMI";
    EXPECT_FALSE(decode({0xfee00000, 0x251}).has_value()) << "SMI";
    EXPECT_FALSE(decode({0xfee00000, 0x551}).has_value()) << "INIT";
}

} // namespace
} // namespace ravelin::hv::vlapic

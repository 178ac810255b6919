// SPDX-License-Identifier: Apache-2.0
#include "apic_fixture.hpp"

namespace ravelin::hv::vlapic {
namespace {

using Registers = TwoApics;

TEST_F(Registers, reset_state_has_every_local_vector_masked) {
    for (u8 n = static_cast<u8>(Reg::lvt_timer); n <= static_cast<u8>(Reg::lvt_error); ++n)
        EXPECT_EQ(first.read(u32{n} << 4, now), 0x10000u);
    EXPECT_EQ(first.read(offset(Reg::spurious_interrupt), now), 0xffu);
    EXPECT_EQ(first.read(offset(Reg::version), now), 0x50014u);
    EXPECT_EQ(second.read(offset(Reg::id), now), 1u << 24);
    EXPECT_EQ(first.read_msr(ApicBase::msr, now), 0xfee00900u);
    EXPECT_EQ(second.read_msr(ApicBase::msr, now), 0xfee00800u);
}

TEST_F(Registers, local_vectors_cannot_be_unmasked_while_disabled) {
    first.write(offset(Reg::lvt_lint0), 0x700, now);
    EXPECT_EQ(first.read(offset(Reg::lvt_lint0), now), 0x10700u);
    enable_xapic(first);
    first.write(offset(Reg::lvt_lint0), 0xffff'ffff, now);
    first.write(offset(Reg::lvt_lint0), 0x700, now);
    EXPECT_EQ(first.read(offset(Reg::lvt_lint0), now), 0x700u);
    first.write(offset(Reg::spurious_interrupt), 0xff, now);
    EXPECT_EQ(first.read(offset(Reg::lvt_lint0), now), 0x10700u);
}

TEST_F(Registers, modes_change_only_as_the_manual_draws_them) {
    constexpr u64 off = ApicBase::address;
    constexpr u64 xapic = off | 0x800;
    constexpr u64 x2apic = off | 0xc00;
    const auto set = [this](u64 value) { return first.write_msr(ApicBase::msr, value, now); };
    EXPECT_FALSE(set(off | 0x400));
    EXPECT_TRUE(set(x2apic));
    EXPECT_FALSE(set(xapic));
    EXPECT_TRUE(set(off));
    EXPECT_FALSE(set(x2apic));
    EXPECT_TRUE(set(xapic));
    EXPECT_FALSE(set(0xfee01800));
    EXPECT_FALSE(set(xapic | 1));
    EXPECT_FALSE(set(xapic | u64{1} << 52));
    EXPECT_EQ(first.read_msr(ApicBase::msr, now), xapic | 0x100)
        << "who booted is not the guest's to say";
}

TEST_F(Registers, each_mode_hides_the_other_ones_door) {
    EXPECT_FALSE(first.read_msr(msr(Reg::id), now).has_value());
    EXPECT_FALSE(write(first, Reg::end_of_interrupt, 0));
    enable_x2apic(first);
    EXPECT_EQ(first.read(offset(Reg::version), now), ~u32{0});
    first.write(offset(Reg::task_priority), 0x50, now);
    EXPECT_EQ(read(first, Reg::task_priority), 0u);
}

TEST_F(Registers, x2apic_refuses_what_the_manual_answers_with_gp) {
    enable_x2apic(second);
    EXPECT_EQ(read(second, Reg::id), 1u);
    EXPECT_EQ(read(second, Reg::logical_destination), 2u);
    EXPECT_FALSE(second.read_msr(msr(Reg::end_of_interrupt), now).has_value());
    EXPECT_FALSE(second.read_msr(msr(Reg::self_ipi), now).has_value());
    EXPECT_FALSE(second.read_msr(msr(Reg::destination_format), now).has_value());
    EXPECT_FALSE(second.read_msr(0x82f, now).has_value()) << "no CMCI";
    EXPECT_FALSE(second.read_msr(0x8ff, now).has_value());
    EXPECT_FALSE(write(second, Reg::id, 7));
    EXPECT_FALSE(write(second, Reg::logical_destination, 7));
    EXPECT_FALSE(write(second, Reg::task_priority, u64{1} << 32));
    EXPECT_FALSE(write(second, Reg::error_status, 1));
    EXPECT_FALSE(write(second, Reg::self_ipi, 0x100));
    EXPECT_FALSE(write(second, Reg::current_count, 1));
}

TEST_F(Registers, an_absent_xapic_register_is_an_error) {
    enable_xapic(first);
    first.write(offset(Reg::lvt_error), 0xfe, now);
    first.write(0x40, 1, now);
    EXPECT_EQ(first.pending_vector(), Vector{0xfe});
    first.write(offset(Reg::error_status), 0, now);
    EXPECT_EQ(first.read(offset(Reg::error_status), now), 0x80u);
    EXPECT_EQ(first.read(0x3f0, now), 0u);
    EXPECT_EQ(first.read(0xff0, now), 0u);
}

TEST_F(Registers, requests_and_service_show_in_their_words) {
    enable_x2apic(first);
    first.raise(Vector{0xf3});
    EXPECT_EQ(read(first, static_cast<Reg>(0x27)), 1u << 0x13);
    first.accept(Vector{0xf3});
    EXPECT_EQ(read(first, static_cast<Reg>(0x27)), 0u);
    EXPECT_EQ(read(first, static_cast<Reg>(0x17)), 1u << 0x13);
}

TEST_F(Registers, every_access_has_an_answer) {
    for (const bool x2apic : {false, true}) {
        if (x2apic)
            enable_x2apic(first);
        for (u32 at = 0; at < 0x1000; at += 16) {
            for (const u32 value : {0u, 1u, 0xffu, 0x7fff'ffffu, ~0u}) {
                (void)first.read(at, now);
                first.write(at, value, now);
                (void)first.read_msr(x2apic_msr_base + at / 16, now);
                (void)first.write_msr(x2apic_msr_base + at / 16, u64{value} << 32 | value, now);
                (void)first.write_msr(x2apic_msr_base + at / 16, value, now);
                (void)first.pending_vector();
                first.expire(now);
            }
        }
    }
}

} // namespace
} // namespace ravelin::hv::vlapic

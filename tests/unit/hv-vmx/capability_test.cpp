// SPDX-License-Identifier: Apache-2.0
// Control words from capability MSRs: forced bits stay, needed bits that are not offered and bits
// that must be off but are forced are refused by name.
#include <hv/vmx/capability.hpp>
#include <hv/vmx/field.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::vmx {
namespace {

constexpr u64 capability(u32 must_be_one, u32 may_be_one) {
    return u64{may_be_one} << 32 | must_be_one;
}
constexpr u64 everything_ept = 1u << 6 | 1u << 14 | 1u << 16 | 1u << 17 | 1u << 20 | 1u << 25 |
                               u64{1} << 32 | u64{1} << 41 | u64{1} << 42;

CapabilityMsrs all() {
    CapabilityMsrs msrs{};
    msrs.basic = Basic::InsOutsInformation::of(true) | Basic::TrueControls::of(true);
    msrs.pin_based = msrs.primary = msrs.secondary = msrs.exit = msrs.entry =
        capability(0, 0xffff'ffff);
    msrs.ept_vpid = everything_ept;
    return msrs;
}

TEST(ChooseControl, KeepsForcedBitsAndAddsOnlyWhatIsAllowed) {
    const auto word = choose_control(capability(0x16, 0xff), {0x1, 0x100 | 0x40});
    ASSERT_TRUE(word);
    EXPECT_EQ(word.value(), 0x57u);
}

TEST(ChooseControl, RefusesANeededBitThatIsNotOffered) {
    const auto word = choose_control(capability(0, 0xff), {0x100});
    ASSERT_FALSE(word);
    EXPECT_EQ(word.error(), Error::control_not_offered);
}

TEST(ChooseControl, RefusesABitThatIsForcedAndMustNotBe) {
    EXPECT_FALSE(choose_control(capability(0x4, 0xff), {0x1, 0, 0x4}));
    EXPECT_EQ(choose_control(capability(0x4, 0xff), {0x1, 0, 0x8}).value(), 0x5u);
}

TEST(ChooseControls, RefusesACpuWithoutEachControlInTurn) {
    ASSERT_TRUE(choose_controls(all()));
    for (u64 CapabilityMsrs::*word : {&CapabilityMsrs::pin_based,
                                      &CapabilityMsrs::primary,
                                      &CapabilityMsrs::secondary,
                                      &CapabilityMsrs::exit,
                                      &CapabilityMsrs::entry}) {
        CapabilityMsrs lacking = all();
        lacking.*word = capability(0, 0);
        EXPECT_FALSE(choose_controls(lacking));
    }
    CapabilityMsrs no_unrestricted_guest = all();
    no_unrestricted_guest.secondary = capability(0, ~Secondary::unrestricted_guest);
    EXPECT_FALSE(choose_controls(no_unrestricted_guest));
    CapabilityMsrs no_string_information = all();
    no_string_information.basic = 0;
    EXPECT_FALSE(choose_controls(no_string_information));
}

/// What is not offered is not asked for, whichever bit it is: refused, or done without.
TEST(ChooseControls, AsksForNothingThatIsNotOffered) {
    const auto each = [](u64 CapabilityMsrs::*word, u32 Controls::*chosen) {
        for (unsigned bit = 0; bit < 32; ++bit) {
            CapabilityMsrs less = all();
            less.*word = capability(0, ~(u32{1} << bit));
            const auto controls = choose_controls(less);
            EXPECT_TRUE(!controls || (controls.value().*chosen >> bit & 1) == 0) << bit;
        }
    };
    each(&CapabilityMsrs::pin_based, &Controls::pin_based);
    each(&CapabilityMsrs::primary, &Controls::primary);
    each(&CapabilityMsrs::secondary, &Controls::secondary);
    each(&CapabilityMsrs::exit, &Controls::exit);
    each(&CapabilityMsrs::entry, &Controls::entry);
}

TEST(ChooseControls, RefusesACpuThatForcesExitsOnCr3) {
    CapabilityMsrs old = all(); // before true controls
    old.primary = capability(Primary::cr3_load_exiting | Primary::cr3_store_exiting, ~u32{0});
    EXPECT_FALSE(choose_controls(old));
}

TEST(ChooseControls, AsksForNothingThatCpuidHidesFromGuests) {
    constexpr u32 rdtscp = 1u << 3;
    constexpr u32 invpcid = 1u << 12;
    constexpr u32 xsaves = 1u << 20;
    EXPECT_EQ(choose_controls(all()).value().secondary & (rdtscp | invpcid | xsaves), 0u);
}

TEST(ChooseControls, UsesVpidsOnlyWhereTheyCanBeInvalidated) {
    EXPECT_NE(choose_controls(all()).value().secondary & Secondary::enable_vpid, 0u);
    CapabilityMsrs without = all();
    without.ept_vpid &= ~(u64{1} << 41 | u64{1} << 42);
    EXPECT_EQ(choose_controls(without).value().secondary & Secondary::enable_vpid, 0u);
    CapabilityMsrs all_only = all();
    all_only.ept_vpid &= ~(u64{1} << 41);
    EXPECT_NE(choose_controls(all_only).value().secondary & Secondary::enable_vpid, 0u);
    EXPECT_FALSE(can_invalidate_one_vpid(all_only.ept_vpid));
}

TEST(ChooseControls, DoesWithoutWhatIsOnlyWelcome) {
    CapabilityMsrs less = all();
    less.pin_based = capability(0, PinBased::external_interrupt_exiting | PinBased::nmi_exiting);
    less.secondary = capability(0, Secondary::enable_ept | Secondary::unrestricted_guest);
    const auto chosen = choose_controls(less);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen.value().pin_based & PinBased::preemption_timer, 0u);
}

TEST(EptPointer, CarriesTypeAndWalkLength) {
    const auto pointer = make_ept_pointer(everything_ept, HostPhysical{0x123000});
    ASSERT_TRUE(pointer);
    EXPECT_EQ(pointer.value(), 0x12301eu);
    for (const unsigned bit : {6u, 14u, 20u, 25u})
        EXPECT_FALSE(make_ept_pointer(everything_ept & ~(u64{1} << bit), HostPhysical{0})) << bit;
}

TEST(EptLayout, TakesTheLargestPageThereIs) {
    using stage2::LargestPage;
    EXPECT_EQ(ept_layout(everything_ept).format, stage2::Format::extended_page_tables);
    EXPECT_EQ(ept_layout(everything_ept).largest, LargestPage::size_1g);
    EXPECT_EQ(ept_layout(everything_ept & ~(u64{1} << 17)).largest, LargestPage::size_2m);
    EXPECT_EQ(ept_layout(everything_ept & ~(u64{3} << 16)).largest, LargestPage::size_4k);
}

TEST(FixedBits, SetsWhatMustBeOneAndRefusesWhatMustBeZero) {
    EXPECT_EQ(apply_fixed_bits(0x10, 0x1, 0xff).value(), 0x11u);
    EXPECT_EQ(apply_fixed_bits(0x100, 0x1, 0xff).error(), Error::cr_fixed_bits);
}

} // namespace
} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// Control words from capability MSRs: forced bits stay, needed bits that are not offered are
// refused by name.
#include <hv/vmx/capability.hpp>
#include <hv/vmx/field.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::vmx {
namespace {

constexpr u64 capability(u32 must_be_one, u32 may_be_one) {
    return u64{may_be_one} << 32 | must_be_one;
}

TEST(ChooseControl, KeepsForcedBitsAndAddsOnlyWhatIsAllowed) {
    const auto word = choose_control(capability(0x16, 0xff), 0x1, 0x100 | 0x40);
    ASSERT_TRUE(word);
    EXPECT_EQ(word.value(), 0x57u);
}

TEST(ChooseControl, RefusesANeededBitThatIsNotOffered) {
    const auto word = choose_control(capability(0, 0xff), 0x100, 0);
    ASSERT_FALSE(word);
    EXPECT_EQ(word.error(), Error::control_not_offered);
}

TEST(ChooseControls, RefusesACpuWithoutEachControlInTurn) {
    CapabilityMsrs all{};
    all.pin_based = all.primary = all.secondary = all.exit = all.entry = capability(0, 0xffffffff);
    const auto chosen = choose_controls(all);
    ASSERT_TRUE(chosen);
    for (u64 CapabilityMsrs::*word : {&CapabilityMsrs::pin_based,
                                      &CapabilityMsrs::primary,
                                      &CapabilityMsrs::secondary,
                                      &CapabilityMsrs::exit,
                                      &CapabilityMsrs::entry}) {
        CapabilityMsrs lacking = all;
        lacking.*word = capability(0, 0);
        EXPECT_FALSE(choose_controls(lacking));
    }
    CapabilityMsrs no_unrestricted_guest = all;
    no_unrestricted_guest.secondary = capability(0, ~Secondary::unrestricted_guest);
    EXPECT_FALSE(choose_controls(no_unrestricted_guest));
}

TEST(EptPointer, CarriesTypeAndWalkLength) {
    constexpr u64 everything = (1u << 6) | (1u << 14) | (1u << 20) | (1u << 25);
    const auto pointer = make_ept_pointer(everything, HostPhysical{0x123000});
    ASSERT_TRUE(pointer);
    EXPECT_EQ(pointer.value(), 0x12301eu);
    EXPECT_FALSE(make_ept_pointer(everything & ~u64{1u << 14}, HostPhysical{0}));
}

TEST(FixedBits, SetsWhatMustBeOneAndRefusesWhatMustBeZero) {
    EXPECT_EQ(apply_fixed_bits(0x10, 0x1, 0xff).value(), 0x11u);
    EXPECT_EQ(apply_fixed_bits(0x100, 0x1, 0xff).error(), Error::cr_fixed_bits);
}

} // namespace
} // namespace ravelin::hv::vmx

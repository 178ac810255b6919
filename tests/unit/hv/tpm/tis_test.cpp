// SPDX-License-Identifier: Apache-2.0
// The TIS driver against a model of the device in front of libtpms: localities, time-outs, and a
// sweep that fails every register access in turn.
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/tis.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::tpm::test {
namespace {

/// TPM2_GetRandom(8).
constexpr u8 get_random[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8};
/// TPM2_GetRandom(64): longer than one burst.
constexpr u8 get_random_64[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 64};

class TisTest : public ::testing::Test {
  protected:
    SoftwareTpm software;
    TisModel model{
        [this](auto command, u8 locality) { return software.execute(command, locality); }};
    FakeClock clock;
    Tis tis{model, clock};
    std::array<u8, Transport::max_size> buffer{};
};

TEST_F(TisTest, ProbesAndTransacts) {
    ASSERT_TRUE(tis.probe().is_ok());
    EXPECT_EQ(tis.vendor(), 0x0001'1014u);
    const auto response = tis.transact(get_random, buffer, Patience::prompt);
    ASSERT_TRUE(response.is_ok()) << name(response.error());
    EXPECT_EQ(response.value().size(), 20u);
    EXPECT_EQ(response.value()[9], 0);
}

TEST_F(TisTest, AnyBurstCountWorks) {
    ASSERT_TRUE(tis.probe().is_ok());
    for (const u16 burst : std::initializer_list<u16>{1, 2, 7, 63, 64, 4096}) {
        model.burst = burst;
        const auto response = tis.transact(get_random_64, buffer, Patience::prompt);
        ASSERT_TRUE(response.is_ok()) << burst << ": " << name(response.error());
        EXPECT_GT(response.value().size(), 40u);
    }
}

TEST_F(TisTest, NobodyAtTheAddress) {
    model.fail_at(0, TisModel::Fault::stuck_ones);
    EXPECT_EQ(tis.probe().error(), TransportError::absent);
}

TEST_F(TisTest, Tpm12IsNamed) {
    model.family_12 = true;
    EXPECT_EQ(tis.probe().error(), TransportError::not_tpm2);
}

TEST_F(TisTest, WaitsForAHolderAndTimesOut) {
    model.holder = 3;
    EXPECT_EQ(tis.request(Locality{0}).error(), TransportError::locality_timeout);
}

TEST_F(TisTest, SeizesFromALowerLocalityOnly) {
    ASSERT_TRUE(tis.request(Locality{0}).is_ok());
    ASSERT_TRUE(tis.seize(Locality{2}).is_ok());
    EXPECT_EQ(model.holder, 2);
    EXPECT_EQ(tis.seize(Locality{1}).error(), TransportError::locality_timeout);
    EXPECT_EQ(model.holder, 2);
}

TEST_F(TisTest, RequestOfAnotherLocalityRelinquishesTheFirst) {
    ASSERT_TRUE(tis.request(Locality{0}).is_ok());
    ASSERT_TRUE(tis.request(Locality{2}).is_ok());
    EXPECT_EQ(model.holder, 2);
    ASSERT_TRUE(tis.relinquish().is_ok());
    EXPECT_FALSE(model.holder.has_value());
}

TEST_F(TisTest, AGatedLocalityIsNotGranted) {
    model.gated = 0b0'1110;
    ASSERT_TRUE(tis.probe().is_ok());
    EXPECT_EQ(tis.request(Locality{2}).error(), TransportError::locality_timeout);
    // And the way back stays open.
    ASSERT_TRUE(tis.request(Locality{0}).is_ok());
    EXPECT_TRUE(tis.transact(get_random, buffer, Patience::prompt).is_ok());
}

TEST_F(TisTest, ACommandThatNeverEndsIsCancelled) {
    ASSERT_TRUE(tis.probe().is_ok());
    model.never_completes = true;
    clock.step = 50'000;
    EXPECT_EQ(tis.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_timeout);
    model.never_completes = false;
    EXPECT_TRUE(tis.transact(get_random, buffer, Patience::prompt).is_ok());
}

TEST_F(TisTest, ATpmThatIgnoresCancelIsAbandoned) {
    ASSERT_TRUE(tis.probe().is_ok());
    model.never_completes = true;
    model.ignores_cancel = true;
    clock.step = 50'000;
    EXPECT_EQ(tis.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_timeout);
}

TEST_F(TisTest, CancelGivesTheTpmsOwnAnswer) {
    ASSERT_TRUE(tis.probe().is_ok());
    model.never_completes = true;
    ASSERT_TRUE(tis.start(get_random).is_ok());
    EXPECT_EQ(tis.poll().value(), Progress::executing);
    ASSERT_TRUE(tis.cancel().is_ok());
    unsigned looks = 0;
    while (tis.poll().value() == Progress::executing)
        ASSERT_LT(++looks, 10u);
    const auto response = tis.finish(buffer);
    ASSERT_TRUE(response.is_ok());
    EXPECT_EQ(response.value()[8], 0x09);
    EXPECT_EQ(response.value()[9], 0x09);
}

TEST_F(TisTest, OneCommandAtATime) {
    ASSERT_TRUE(tis.probe().is_ok());
    EXPECT_EQ(tis.poll().error(), TransportError::idle);
    EXPECT_EQ(tis.finish(buffer).error(), TransportError::idle);
    EXPECT_EQ(tis.cancel().error(), TransportError::idle);
    ASSERT_TRUE(tis.start(get_random).is_ok());
    EXPECT_EQ(tis.start(get_random).error(), TransportError::busy);
    EXPECT_EQ(tis.request(Locality{2}).error(), TransportError::busy);
    EXPECT_EQ(tis.relinquish().error(), TransportError::busy);
}

TEST_F(TisTest, RefusesACommandWhoseSizeLies) {
    ASSERT_TRUE(tis.probe().is_ok());
    auto lying = std::to_array(get_random);
    lying[5] = 13;
    EXPECT_EQ(tis.start(lying).error(), TransportError::command_malformed);
    EXPECT_EQ(tis.start(std::span{lying}.first(9)).error(), TransportError::command_malformed);
    EXPECT_EQ(tis.start(std::span{lying}.first(0)).error(), TransportError::command_malformed);
}

TEST_F(TisTest, ResponsesThatLieAreRefused) {
    std::vector<u8> canned;
    TisModel liar{[&](auto, u8) { return canned; }};
    Tis driver{liar, clock};
    ASSERT_TRUE(driver.probe().is_ok());
    canned = {0x80, 0x01, 0, 0, 0, 9, 0, 0, 0, 0};
    EXPECT_EQ(driver.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_malformed);
    canned = {0x80, 0x01, 0, 1, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(driver.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_malformed);
    canned = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0};
    EXPECT_EQ(driver.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_short);
    canned = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0, 0, 0};
    EXPECT_EQ(driver.transact(get_random, buffer, Patience::prompt).error(),
              TransportError::response_long);
    canned = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(driver.transact(get_random, std::span{buffer}.first(11), Patience::prompt).error(),
              TransportError::response_overflow);
    EXPECT_TRUE(driver.transact(get_random, buffer, Patience::prompt).is_ok());
}

/// Fails the Nth register access in every way, for each N until the run no longer reaches it: the
/// driver ends in bounded time, and a success is a real one.
TEST_F(TisTest, FaultSweep) {
    std::vector<u8> expected(64);
    for (usize i = 0; i < expected.size(); ++i)
        expected[i] = static_cast<u8>(i * 7);
    expected[0] = 0x80;
    expected[1] = 0x01;
    expected[2] = expected[3] = expected[4] = 0;
    expected[5] = static_cast<u8>(expected.size());
    using Fault = TisModel::Fault;
    for (const Fault fault :
         {Fault::once_ones, Fault::stuck_ones, Fault::stuck_zeros, Fault::seized, Fault::frozen}) {
        for (u64 nth = 0;; ++nth) {
            TisModel device{[&](std::span<const u8> command, u8) {
                EXPECT_TRUE(std::ranges::equal(command, get_random_64) ||
                            fault == Fault::once_ones);
                return expected;
            }};
            device.fail_at(nth, fault);
            FakeClock time;
            time.step = 5'000;
            Tis driver{device, time};
            const auto run = [&]() -> Result<std::span<const u8>, TransportError> {
                (void)RAVELIN_TRY(driver.probe());
                return driver.transact(get_random_64, buffer, Patience::prompt);
            };
            const auto response = run();
            // Two time-outs of ten seconds bound everything.
            EXPECT_LT(time.now, 30'000'000u);
            if (response.is_ok() && fault != Fault::once_ones) {
                EXPECT_TRUE(std::ranges::equal(response.value(), expected))
                    << "access " << nth << " fault " << static_cast<int>(fault);
            }
            if (device.accesses() <= nth) {
                EXPECT_GT(nth, 100u);
                break;
            }
            ASSERT_LT(nth, 10'000u);
        }
    }
}

} // namespace
} // namespace ravelin::hv::tpm::test

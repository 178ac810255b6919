// SPDX-License-Identifier: Apache-2.0
// The hypervisor's own commands against libtpms, with every response failed in turn.
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/tpm.hpp>

#include <gtest/gtest.h>
#include <support/tpm_commands.hpp>

namespace ravelin::hv::tpm::test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

using wire::tpm::Algorithm;
using Fault = DirectTransport::Fault;

class TpmTest : public ::testing::Test {
  protected:
    SoftwareTpm software;
    DirectTransport transport{software};
    FakeClock clock;
    Tpm tpm{transport, clock};
};

TEST_F(TpmTest, FindsATpmThatFirmwareStarted) {
    const auto ready = tpm.make_ready();
    ASSERT_TRUE(ready.is_ok());
    EXPECT_EQ(ready.value(), Startup::by_firmware);
}

TEST_F(TpmTest, StartsATpmNobodyStarted) {
    software.reset(SoftwareTpm::Started::no);
    const auto ready = tpm.make_ready();
    ASSERT_TRUE(ready.is_ok());
    EXPECT_EQ(ready.value(), Startup::by_us);
    EXPECT_EQ(tpm.make_ready().value(), Startup::by_firmware);
}

TEST_F(TpmTest, NamesTheActiveBanks) {
    const auto banks = tpm.active_banks();
    ASSERT_TRUE(banks.is_ok());
    EXPECT_TRUE(banks.value().has(Algorithm::sha256));
    EXPECT_FALSE(banks.value().unknown);
    EXPECT_GE(banks.value().known.size(), 1u);
}

TEST_F(TpmTest, ExtendsEveryActiveBank) {
    const auto banks = tpm.active_banks().value();
    Digests digests;
    for (const auto bank : banks.known) {
        Digest digest{.algorithm = bank, .bytes = {}};
        digest.bytes.fill(static_cast<u8>(bank));
        ASSERT_TRUE(digests.push_back(digest));
    }
    PcrValues before;
    PcrValues after;
    ASSERT_TRUE(tpm.read(PcrSet{1u << 12 | 1u << 13}, before).is_ok());
    ASSERT_TRUE(tpm.extend(PcrIndex{12}, digests).is_ok());
    ASSERT_TRUE(tpm.read(PcrSet{1u << 12 | 1u << 13}, after).is_ok());
    EXPECT_NE(before.values[12], after.values[12]);
    EXPECT_EQ(before.values[13], after.values[13]);
}

TEST_F(TpmTest, ReadsAllPcrsAtOnce) {
    PcrValues values;
    ASSERT_TRUE(tpm.read(PcrSet{0x00ff'ffff}, values).is_ok());
    Sha256Digest ones;
    ones.fill(0xff);
    EXPECT_EQ(values.values[0], Sha256Digest{});
    EXPECT_EQ(values.values[17], ones);
    EXPECT_EQ(values.values[23], Sha256Digest{});
}

TEST_F(TpmTest, RandomFillsTheWholeSpan) {
    std::array<u8, 200> bytes{};
    ASSERT_TRUE(tpm.random(bytes).is_ok());
    unsigned zeros = 0;
    for (const u8 byte : bytes)
        zeros += byte == 0 ? 1 : 0;
    EXPECT_LT(zeros, 20u);
}

TEST_F(TpmTest, RetriesWhatAsksForItAndNoMore) {
    for (const u32 code : {0x922u, 0x90au, 0x908u}) {
        transport.fail(0, Fault::response_code, code, 5);
        EXPECT_TRUE(tpm.active_banks().is_ok()) << code;
    }
    transport.fail(0, Fault::response_code, 0x922, ~0u);
    const unsigned before = transport.responses();
    const auto failed = tpm.active_banks();
    ASSERT_FALSE(failed.is_ok());
    EXPECT_EQ(failed.error().kind, TpmError::Kind::refused);
    EXPECT_LE(transport.responses() - before, 64u);
}

TEST_F(TpmTest, AnErrorSpeaks) {
    transport.fail(0, Fault::response_code, 0x101);
    const auto failed = tpm.active_banks();
    ASSERT_FALSE(failed.is_ok());
    const Text text = failed.error().describe();
    EXPECT_EQ(text.view(), "TPM2_GetCapability: TPM_RC_FAILURE (0x101)");
}

TEST_F(TpmTest, ABankThatIsOffIsNotRead) {
    // TPM2_PCR_Allocate: SHA-256 off, SHA-384 on; effective after a reset.
    const auto allocate = authorised(0x12b,
                                     {0x4000'000c},
                                     big(4, 4) + big(4, 2) + big(3, 1) + big(0, 3) + big(0xb, 2) +
                                         big(3, 1) + big(0, 3) + big(0xc, 2) + big(3, 1) +
                                         big(0xff'ffff, 3) + big(0xd, 2) + big(3, 1) + big(0, 3));
    ASSERT_EQ(code_of(software.execute(allocate)), 0u);
    software.reset();
    const auto banks = tpm.active_banks();
    ASSERT_TRUE(banks.is_ok());
    EXPECT_FALSE(banks.value().has(Algorithm::sha256));
    EXPECT_TRUE(banks.value().has(Algorithm::sha384));
    PcrValues values;
    EXPECT_FALSE(tpm.read(PcrSet{1}, values).is_ok());
}

/// Makes, uses and flushes everything once, with the response number `nth` failing as `fault`.
TEST_F(TpmTest, FaultSweep) {
    const auto run = [&]() -> Status<TpmError> {
        (void)RAVELIN_TRY(tpm.make_ready());
        (void)RAVELIN_TRY(tpm.active_banks());
        PcrValues values;
        (void)RAVELIN_TRY(tpm.read(PcrSet{0x3ff}, values));
        std::array<u8, 16> bytes{};
        (void)RAVELIN_TRY(tpm.random(bytes));
        Key key;
        (void)RAVELIN_TRY(tpm.create_primary(wire::tpm::handle_owner, storage_template(), key));
        const auto context = RAVELIN_TRY(tpm.context_save(key.handle));
        const ByteVector copy{context.begin(), context.end()};
        const auto loaded = RAVELIN_TRY(tpm.context_load(copy));
        (void)RAVELIN_TRY(tpm.flush(loaded));
        const auto session = RAVELIN_TRY(tpm.start_policy_session());
        (void)RAVELIN_TRY(tpm.policy_command_code(session, wire::tpm::CommandCode::quote));
        const std::array<Sha256Digest, 2> branches{};
        (void)tpm.policy_or(session, branches);
        (void)RAVELIN_TRY(tpm.flush(session));
        HandleList handles;
        (void)RAVELIN_TRY(tpm.list_handles(wire::tpm::Handle{0x8000'0000}, handles));
        return tpm.flush(key.handle);
    };
    ASSERT_TRUE(run().is_ok());
    for (const Fault fault :
         {Fault::transport, Fault::response_code, Fault::truncated, Fault::garbage})
        for (unsigned nth = 0;; ++nth) {
            software.reset();
            const unsigned before = transport.responses();
            transport.fail(nth, fault, 0x101);
            const auto result = run();
            if (transport.responses() - before <= nth)
                break;
            // policy_or is meant to fail here: its branches do not hold the session's digest.
            if (result.is_ok()) {
                EXPECT_EQ(nth, 11u) << static_cast<int>(fault);
            }
            ASSERT_LT(nth, 100u);
        }
}

} // namespace
} // namespace ravelin::hv::tpm::test

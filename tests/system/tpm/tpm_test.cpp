// SPDX-License-Identifier: Apache-2.0
// A hostile domain 0 on the booted hypervisor: everything it tries through its TPM channel is
// refused, the hypervisor quotes after each attempt, and the TPM is afterwards what it was before.
#include "attack.hpp"

#include <support/tpm_commands.hpp>
#include <system/domain0.hpp>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

class TpmSystemTest : public SystemTest {
  protected:
    ByteVector transmit(const ByteVector& command) {
        return tpm().transmit(TpmLocality{0}, command);
    }
    /// A counter that whoever sends TPM2_NV_UndefineSpace could delete: the owner has no password.
    void define_counter() {
        tpm().power_on();
        ASSERT_EQ(code_of(transmit(plain(0x144, big(0, 2)))), 0u);
        const auto area = big(attack::counter_index, 4) + big(0xb, 2) + big(0x0002'0012, 4) +
                          big(0, 2) + big(8, 2);
        ASSERT_EQ(code_of(transmit(authorised(0x12a, {owner}, sized({}) + sized(area)))), 0u);
        ASSERT_EQ(code_of(transmit(plain(0x145, big(0, 2)))), 0u);
    }
    /// SHA-256 of one PCR.
    ByteVector pcr(u32 index) {
        const auto response =
            transmit(plain(0x17e,
                           big(1, 4) + big(0xb, 2) + big(3, 1) +
                               big(1u << index % 8, 1 + index / 8) + ByteVector(2 - index / 8)));
        return code_of(response) == 0 && response.size() > 32
                   ? ByteVector(response.end() - 32, response.end())
                   : ByteVector{};
    }
};

TEST_F(TpmSystemTest, DomainZeroIsRefusedAndTheHypervisorStillQuotes) {
    define_counter();
    MachineConfig config = direct_boot(
        "", domain0_modules({"tpm", built("tests/system/tpm/tpm-attacker")}, directory()));
    {
        Machine machine{config, &tpm()};
        Console& console = machine.console();
        console.wait_for("UNMEASURED: the loader handed over no event log", 60s);
        console.wait_for("attestation key ready", 60s);
        console.wait_for("ravelin-init: mode test", 180s);
        const auto end =
            console.wait_for("tpm-attack: done, ([0-9]+) refused, ([0-9]+) failures", 120s);
        EXPECT_EQ(end.at(1), "31");
        EXPECT_EQ(end.at(2), "0");
        console.wait_for("ravelin-init: test tpm ended 0", 30s);
        machine.wait_for_power_off(30s);
    }
    // What it went for is as it was: the resettable registers are still zero.
    EXPECT_EQ(pcr(16), ByteVector(32));
    EXPECT_EQ(pcr(23), ByteVector(32));
    EXPECT_EQ(code_of(transmit(plain(0x169, big(attack::counter_index, 4)))), 0u);
}

} // namespace
} // namespace ravelin::system_test

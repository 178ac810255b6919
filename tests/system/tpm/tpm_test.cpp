// SPDX-License-Identifier: Apache-2.0
// A hostile domain 0 on the booted hypervisor: everything it tries through its TPM channel is
// refused, the hypervisor quotes after each attempt, and the TPM is afterwards what it was before.
#include "attack.hpp"

#include <wire/statement.hpp>

#include <cctype>
#include <evidence/merkle.hpp>
#include <sstream>
#include <support/stock_tools.hpp>
#include <support/tpm_commands.hpp>
#include <system/domain0.hpp>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

/// The bytes that domain 0 printed under a name.
ByteVector shown(const Console& console, const std::string& what) {
    ByteVector bytes;
    std::istringstream text{console.text()};
    const std::string prefix = "tpm-evidence: " + what + " ";
    for (std::string line; std::getline(text, line);) {
        const auto at = line.find(prefix);
        if (at == std::string::npos)
            continue;
        const auto digits = line.substr(at + prefix.size());
        for (usize i = 0; i + 1 < digits.size() && std::isxdigit(digits[i]) != 0; i += 2)
            bytes.push_back(static_cast<u8>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

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
    /// The stock tools' opinion of what domain 0 was given.
    void judge(const ByteVector& log, const ByteVector& key, const ByteVector& evidence) {
        const StockTools tools{directory()};
        const auto replayed = tools.eventlog(log);
        EXPECT_EQ(replayed.status, 0) << replayed.output;
        EXPECT_THAT(replayed.output, testing::HasSubstr("ravelin:config:dom0"));
        const auto view = wire::decode_evidence(evidence);
        ASSERT_TRUE(view.is_ok());
        EXPECT_THAT(replayed.output, testing::HasSubstr("0x" + hex(view.value().pcrs.values[12])));
        const auto root = evidence::root_of(evidence::leaf(view.value().statement),
                                            view.value().index,
                                            view.value().count,
                                            view.value().path.span());
        ASSERT_TRUE(root.has_value());
        ASSERT_GT(key.size(), 12u);
        const auto checked =
            tools.checkquote(std::span{key}.subspan(10, key[10] * 256u + key[11] + 2u),
                             view.value().attested,
                             view.value().signature,
                             evidence::qualifying_data(view.value().count, *root));
        EXPECT_EQ(checked.status, 0) << checked.output;
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
        console.wait_for("tpm-evidence: shown", 60s);
        judge(shown(console, "log"), shown(console, "key"), shown(console, "evidence"));
        const auto end =
            console.wait_for("tpm-attack: done, ([0-9]+) refused, ([0-9]+) failures", 120s);
        EXPECT_EQ(end.at(1), "32");
        EXPECT_EQ(end.at(2), "0");
        console.wait_for("ravelin-init: test tpm ended 0", 30s);
        console.wait_for("domain dom0 stopped: power off", 30s);
    }
    // What it went for is as it was: the resettable registers are still zero.
    EXPECT_EQ(pcr(16), ByteVector(32));
    EXPECT_EQ(pcr(23), ByteVector(32));
    EXPECT_EQ(code_of(transmit(plain(0x169, big(attack::counter_index, 4)))), 0u);
}

} // namespace
} // namespace ravelin::system_test

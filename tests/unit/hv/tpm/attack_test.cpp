// SPDX-License-Identifier: Apache-2.0
// Everything domain 0 tries in system.tpm, hosted: against the service on libtpms.
#include "recording_console.hpp"
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/service.hpp>

#include <attack.hpp>
#include <gtest/gtest.h>
#include <support/tpm_commands.hpp>

namespace ravelin::hv::tpm::test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

TEST(Attack, EveryOneIsRefusedAndTheHypervisorStillQuotes) {
    SoftwareTpm software;
    // A counter an owner with an empty password could delete: TPM2_NV_DefineSpace.
    const auto attributes = big(0x0002'0012, 4); // counter, owner reads and writes
    const auto define = authorised(0x12a,
                                   {owner},
                                   sized({}) + sized(big(attack::counter_index, 4) + big(0xb, 2) +
                                                     attributes + big(0, 2) + big(8, 2)));
    ASSERT_EQ(code_of(software.execute(define)), 0u);
    TisModel model{[&](auto command, u8 locality) { return software.execute(command, locality); }};
    FakeClock clock;
    RecordingConsole console;
    const auto service = std::make_unique<Service>(model, clock, console);
    service->start({}, "ravelin test");
    std::vector<std::string> lines;
    const auto outcome = attack::run(
        [&](u64 operation, std::span<const u8> request, std::span<u8> response) {
            return service->handle(operation, {DomainId{0}, "system"}, request, response);
        },
        [&](const std::string& line) { lines.push_back(line); });
    EXPECT_EQ(outcome.failures, 0u) << ::testing::PrintToString(lines);
    EXPECT_EQ(outcome.refused, 31u) << ::testing::PrintToString(lines);
    // The counter is still there: TPM2_NV_ReadPublic.
    EXPECT_EQ(code_of(software.execute(plain(0x169, big(attack::counter_index, 4)))), 0u);
}

} // namespace
} // namespace ravelin::hv::tpm::test

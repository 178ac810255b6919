// SPDX-License-Identifier: Apache-2.0
// Domains made, run and destroyed by the control hypercall on the whole hypervisor. Domain 0 is a
// program of a few kilobytes that does nothing else (tests/guests/toolstack.cpp); what it makes are
// programs that do what their console tells them (tests/guests/console.cpp).
#include <tools/manifest/compile.hpp>

#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

constexpr const char* manifest_toml = "version = 1\n"
                                      "platform = \"Life\"\n"
                                      "[[domain]]\n"
                                      "id = 0\n"
                                      "name = \"toolstack\"\n"
                                      "role = \"domain0\"\n"
                                      "kernel = \"toolstack.kernel\"\n"
                                      "ramdisk = \"made.kernel\"\n"
                                      "memory_mib = 64\n"
                                      "vcpus = 1\n"
                                      "label = \"system\"\n";

/// On that many CPUs.
class LifeTest : public SystemTest, public testing::WithParamInterface<unsigned> {};

TEST_P(LifeTest, ThreeHundredCyclesAndThirtyTwoAtOnceLeaveEveryFrameFree) {
    const auto manifest = compile_manifest(manifest_toml);
    ASSERT_TRUE(manifest) << describe(manifest.error(), "manifest.toml");
    const std::vector<u8>& bytes = manifest.value();
    std::ofstream{directory() / "manifest"} << std::string{bytes.begin(), bytes.end()};
    MachineConfig config = direct_boot("",
                                       {{directory() / "manifest", "manifest"},
                                        {built("tests/guests/toolstack.elf"), "toolstack.kernel"},
                                        {built("tests/guests/console.elf"), "made.kernel"}});
    config.clock = Clock::real; // counting instructions makes guests that wait slow
    config.processors = GetParam();
    Machine machine{config};
    Console& console = machine.console();
    console.wait_for("domain one stopped: power off", 120s);
    console.wait_for("domain one stopped: reboot", 60s);
    console.wait_for("domain one stopped: stopped by the hypervisor: triple fault", 60s);
    console.wait_for("lives done", 60s);
    console.wait_for("refusals done", 60s);
    console.wait_for("domains running at once: 33", 300s);
    console.wait_for("many done", 120s);
    const auto before = console.wait_for("free frames before: ([0-9]+)", 600s);
    const auto after = console.wait_for("free frames after: ([0-9]+)", 10s);
    EXPECT_EQ(before.at(1), after.at(1));
    const auto verdict = console.wait_for("Test result: (SUCCESS|SKIP|ERROR|FAILURE)", 10s);
    EXPECT_EQ(verdict.at(1), "SUCCESS");
    machine.wait_for_power_off(30s);
}

INSTANTIATE_TEST_SUITE_P(OneProcessor, LifeTest, testing::Values(1u));
// Nightly: one run of five ends with another number of free frames (docs/CAVEATS.md).
INSTANTIATE_TEST_SUITE_P(TwoProcessors, LifeTest, testing::Values(2u));

} // namespace
} // namespace ravelin::system_test

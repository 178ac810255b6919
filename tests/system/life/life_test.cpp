// SPDX-License-Identifier: Apache-2.0
// Domains made, run and destroyed by the control hypercall on the whole hypervisor. Domain 0 is a
// program of a few kilobytes that does nothing else (tests/guests/toolstack.cpp); what it makes are
// programs that do what their console tells them (tests/guests/console.cpp).
#include <tools/manifest/compile.hpp>

#include <fstream>
#include <system/domain0.hpp>
#include <system/fixture.hpp>
#include <system/stock_guests.hpp>

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

INSTANTIATE_TEST_SUITE_P(Processors, LifeTest, testing::Values(1u, 2u));

/// 32 guests beside domain 0 on a machine of 4 GiB: four of stock Linux with a disk, at work, and
/// 28 small ones.
TEST(ManyGuests, ThirtyTwoOfThemFourStockLinuxAtWork) {
    const PrivateDirectory directory;
    Domain0Test test;
    test.name = "many";
    test.program = source("tests/system/life/many.sh");
    test.memory_mib = 512;
    test.backends = Backends::present;
    test.programs = {built("tools/vm/ravelin-vm")};
    test.files = {guests_script()};
    std::vector<StockGuest> stock;
    for (int i = 0; i < 4; ++i) {
        const std::string name = "linux" + std::to_string(i);
        stock.push_back({name, 160, "disk = [\"/guests/" + name + ".img,raw,xvda,rw\"]\n"});
    }
    // They wait by yielding: most of the CPU is for the others.
    const auto guests = make_guests_disk(
        directory.path(), stock, {{"small", built("tests/guests/console.elf"), "cap = 1\n"}});
    MachineConfig config = direct_boot("", domain0_modules(test, directory.path()));
    config.memory_mib = 4096;
    config.extra_arguments = disk_arguments(guests, "guests", "r");
    Machine machine{config};
    Console& console = machine.console();
    EXPECT_EQ(console.wait_for("test: running at once: ([0-9]+) #", 500s).at(1), "33");
    for (int i = 0; i < 4; ++i)
        console.wait_for("test: linux" + std::to_string(i) + " down: 1[0-9]+", 200s);
    EXPECT_EQ(console.wait_for("test: without a back end: ([0-9]+) #", 100s).at(1), "4");
    for (int i = 0; i < 4; ++i)
        console.wait_for("test: linux" + std::to_string(i) + " up: 1[56][0-9]", 200s);
    EXPECT_EQ(console.wait_for("test: running at once: ([0-9]+) #", 100s).at(1), "33");
    for (int i = 0; i < 4; ++i) {
        const std::string name = "linux" + std::to_string(i);
        console.wait_for("test: " + name + " still works", 200s);
        EXPECT_EQ(console.wait_for("test: " + name + " failures: ([0-9]+ [0-9]+) #", 100s).at(1),
                  "0 0");
    }
    console.wait_for("test: linux0 was shut down", 200s);
    for (int i = 1; i < 4; ++i)
        console.wait_for("test: linux" + std::to_string(i) + " was destroyed at work", 200s);
    const auto frames =
        console.wait_for("test: free frames: ([0-9]+) before, ([0-9]+) after", 100s);
    EXPECT_EQ(frames.at(1), frames.at(2));
    machine.wait_for_power_off(60s);
}

} // namespace
} // namespace ravelin::system_test

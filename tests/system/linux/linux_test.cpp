// SPDX-License-Identifier: Apache-2.0
// The stock kernel as domain 0: it keeps time, drives a passed-through NIC by MSI-X through
// interrupt remapping, hears the console, and its power-off is the machine's.
#include <system/domain0.hpp>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

class LinuxTest : public SystemTest {};

TEST_F(LinuxTest, DrivesADeviceHearsTheConsoleAndPowersOff) {
    MachineConfig config = direct_boot(
        "", domain0_modules({"linux", source("tests/system/linux/domain0.sh")}, directory()));
    config.nic = Nic::e1000e;
    Machine machine{config};
    Console& console = machine.console();
    console.wait_for("DMA protected", 60s);
    console.wait_for("xen:events: Using FIFO-based ABI", 60s);
    console.wait_for("ravelin-init: mode test", 180s);
    EXPECT_GE(std::stoul(console.wait_for("linux-test: slept ([0-9]+)", 60s).at(1)), 2u);
    EXPECT_EQ(console.wait_for("linux-test: network .* ([0-9]+) packets received", 60s).at(1), "3");
    EXPECT_GT(std::stoul(console.wait_for("linux-test: interrupts ([0-9]+)", 30s).at(1)), 0u);
    EXPECT_GE(std::stoul(console.wait_for("linux-test: upcalls by ([0-9]+)", 30s).at(1)), 4u);
    console.wait_for("linux-test: ready", 30s);
    console.send("hello hypervisor\n");
    EXPECT_EQ(console.wait_for("linux-test: heard <([^>]*)>", 30s).at(1), "hello hypervisor");
    console.wait_for("domain dom0 stopped: power off", 60s);
    machine.wait_for_power_off(30s);
    EXPECT_THAT(console.text(), testing::Not(testing::HasSubstr("iommu: fault")));
}

/// Four vCPUs on as many physical CPUs as the parameter says, in the host's time.
class LinuxOnCpus : public LinuxTest, public testing::WithParamInterface<unsigned> {};

TEST_P(LinuxOnCpus, StartsFourVcpusAndUsesThem) {
    Domain0Test test{"smp", source("tests/system/linux/smp.sh")};
    test.vcpus = 4;
    MachineConfig config = direct_boot("", domain0_modules(test, directory()));
    config.processors = GetParam();
    config.clock = Clock::real;
    Machine machine{config};
    Console& console = machine.console();
    console.wait_for("smp: Brought up 1 node, 4 CPUs", 120s);
    EXPECT_EQ(console.wait_for("smp-test: online ([0-9]+)", 180s).at(1), "4");
    EXPECT_EQ(console.wait_for("smp-test: worked on ([0-9]+)", 60s).at(1), "4");
    console.wait_for("domain dom0 stopped: power off", 60s);
    machine.wait_for_power_off(30s);
}

INSTANTIATE_TEST_SUITE_P(Processors, LinuxOnCpus, testing::Values(1u, 2u));

} // namespace
} // namespace ravelin::system_test

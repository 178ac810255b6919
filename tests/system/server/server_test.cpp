// SPDX-License-Identifier: Apache-2.0
// The emulated server itself, with the distribution's kernel in Ravelin's place: it has what
// Ravelin needs, it says why when it ends early, its memory can be looked at, and its TPM keeps the
// measurements of the boot.
#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using testing::HasSubstr;

std::filesystem::path stock_kernel() {
    for (const auto& entry : std::filesystem::directory_iterator{"/boot"})
        if (entry.path().filename().string().starts_with("vmlinuz-"))
            return entry.path();
    throw ServerError{"no kernel in /boot: tools/packages.txt names one"};
}

using ServerTest = SystemTest;

TEST_F(ServerTest, HasSvmVtdAndATpm) {
    MachineConfig config;
    config.boot = DirectKernel{stock_kernel(), "console=ttyS0 intel_iommu=on", {}};
    Machine machine{config, &tpm()};
    Console& console = machine.console();
    console.wait_for("DMAR-IR: Enabled IRQ remapping", 60s);
    console.wait_for("2.0 TPM \\(device-id", 60s);
    console.wait_for("Unable to mount root fs", 60s);
    EXPECT_THAT(machine.monitor("info version"), HasSubstr("."));
    const std::vector<u8> memory = machine.read_physical(0x10'0000, 16);
    EXPECT_EQ(memory.size(), 16U);
}

TEST_F(ServerTest, EmulatorsRefusalIsShown) {
    MachineConfig config;
    config.boot = DirectKernel{directory() / "missing", "", {}};
    Machine machine{config};
    try {
        machine.console().wait_for("anything", 20s);
        FAIL() << "QEMU started without a kernel";
    } catch (const ServerError& error) {
        EXPECT_THAT(error.what(), HasSubstr("the machine ended before"));
        EXPECT_THAT(error.what(), HasSubstr("could not open kernel file"));
    }
}

TEST_F(ServerTest, MachineThatHangsIsNamedWithItsLastLines) {
    MachineConfig config;
    config.boot = DirectKernel{stock_kernel(), "console=ttyS0", {}};
    Machine machine{config};
    machine.console().wait_for("Linux version", 60s);
    EXPECT_THROW(machine.wait_for_power_off(100ms), ServerError);
    EXPECT_TRUE(machine.running());
}

} // namespace
} // namespace ravelin::system_test

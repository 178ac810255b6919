// SPDX-License-Identifier: Apache-2.0
#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

const MachineWiring wiring{.serial = 7,
                           .monitor = 8,
                           .tpm = 9,
                           .firmware_variables = "/private/variables.fd",
                           .relay_program = "/bin/ravelin-server"};

TEST(CommandLine, DirectKernelNamesItsModulesLast) {
    MachineConfig config;
    config.boot = DirectKernel{
        "/b/ravelin.elf32", "console=com1", {{"/b/m,1", "manifest"}, {"/b/k", "dom0.kernel"}}};
    const auto arguments = command_line(config, wiring);
    EXPECT_THAT(arguments, Contains("/b/ravelin.elf32"));
    EXPECT_THAT(arguments, Contains("/b/m,,1 manifest,/b/k dom0.kernel"));
    EXPECT_THAT(arguments, Contains("console=com1"));
}

TEST(CommandLine, ModuleWithBlankInItsPathIsRefused) {
    MachineConfig config;
    config.boot = DirectKernel{"/k", "", {{"/a b", "name"}}};
    EXPECT_THROW(static_cast<void>(command_line(config, wiring)), ServerError);
}

TEST(CommandLine, NativeKernelHasItsRamdiskOrNone) {
    MachineConfig config;
    config.processor = "EPYC,-svm";
    config.boot = NativeKernel{"/b/vmlinux", "quiet", "/b/initrd"};
    EXPECT_THAT(command_line(config, wiring),
                IsSupersetOf({"/b/vmlinux", "quiet", "-initrd", "/b/initrd", "EPYC,-svm"}));
    config.boot = NativeKernel{"/b/small.elf", "", {}};
    EXPECT_THAT(command_line(config, wiring), Not(Contains("-initrd")));
}

TEST(CommandLine, UefiUsesPrivateVariables) {
    MachineConfig config;
    config.boot = UefiDisk{"/b/disk.img"};
    const auto arguments = command_line(config, wiring);
    EXPECT_THAT(arguments, Contains(HasSubstr("file=/private/variables.fd")));
    EXPECT_THAT(arguments,
                Contains(AllOf(HasSubstr("file=/b/disk.img"), HasSubstr("readonly=on"))));
}

TEST(CommandLine, TpmAndIommuAreThereOrNot) {
    MachineConfig config;
    config.boot = BiosIso{"/b/boot.iso"};
    EXPECT_THAT(command_line(config, wiring), Contains("tpm-tis,tpmdev=tpm0"));
    EXPECT_THAT(command_line(config, wiring), Contains(HasSubstr("intel-iommu,intremap=on")));
    MachineWiring without = wiring;
    without.tpm.reset();
    config.iommu = Iommu::absent;
    EXPECT_THAT(command_line(config, without), Not(Contains(HasSubstr("tpm"))));
    EXPECT_THAT(command_line(config, without), Not(Contains(HasSubstr("intel-iommu"))));
}

TEST(CommandLine, NetworkIsRestrictedToItsForwards) {
    MachineConfig config;
    config.boot = BiosIso{"/b/boot.iso"};
    config.nic = Nic::virtio;
    config.forwards = {{"10.0.2.100", 8443, 40123}};
    EXPECT_THAT(command_line(config, wiring),
                Contains("user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:8443-cmd:"
                         "/bin/ravelin-server relay 40123"));
    EXPECT_THAT(command_line(config, wiring),
                Contains(AllOf(HasSubstr("iommu_platform=on"), HasSubstr("disable-legacy=on"))));
}

TEST(CommandLine, ClocksDiffer) {
    MachineConfig config;
    config.boot = BiosIso{"/b/boot.iso"};
    config.clock = Clock::deterministic;
    EXPECT_THAT(command_line(config, wiring), Contains("shift=0,sleep=off"));
    config.clock = Clock::steady;
    EXPECT_THAT(command_line(config, wiring), Contains("shift=0,sleep=on"));
    config.clock = Clock::real;
    EXPECT_THAT(command_line(config, wiring), Not(Contains("-icount")));
}

TEST(CommandLine, AttackerReachesAllMemory) {
    MachineConfig config;
    config.boot = BiosIso{"/b/boot.iso"};
    config.attacker = DmaAttacker::present;
    EXPECT_THAT(command_line(config, wiring), Contains("edu,dma_mask=0xffffffffffffffff"));
}

} // namespace
} // namespace ravelin::tools

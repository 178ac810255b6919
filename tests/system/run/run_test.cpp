// SPDX-License-Identifier: Apache-2.0
// `./demo run` as a user has it: its exit status and what it shows, for guests that end in each
// way. The kernels are small PVH programs and Debian's own.
#include <tools/image/cpio.hpp>
#include <tools/image/initramfs.hpp>
#include <tools/server/process.hpp>

#include <array>
#include <fstream>
#include <system/fixture.hpp>
#include <tuple>

namespace ravelin::system_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Ended {
    int status;
    std::string output;
};

class RunTest : public SystemTest {
  protected:
    Ended demo_run(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(),
                         {built("tools/run/ravelin-run").string(), "--build", RAVELIN_BUILD_DIR});
        const auto output = directory() / "output";
        std::filesystem::remove(output);
        Process process{{.arguments = std::move(arguments),
                         .output = output,
                         .inherited = {},
                         .environment = {}}};
        const std::optional<int> status = process.wait(280s);
        return {status.value_or(-1), read_text_file(output)};
    }
    static std::string guest(const std::string& name) {
        return built("tests/guests/" + name + ".elf").string();
    }
    /// A ramdisk whose init is `script`.
    std::string ramdisk(const std::string& script) {
        CpioArchive archive;
        const std::string busybox = read_text_file("/bin/busybox");
        archive.add_character_device("/dev/console", 5, 1);
        archive.add_file("/bin/busybox", {busybox.begin(), busybox.end()}, 0755);
        archive.add_file("/init", {script.begin(), script.end()}, 0755);
        const std::vector<u8> bytes = archive.encode();
        const auto path = directory() / "initrd";
        std::ofstream{path, std::ios::binary} << std::string{bytes.begin(), bytes.end()};
        return path.string();
    }
};

constexpr const char* power_off_script =
    "#!/bin/busybox sh\n"
    "/bin/busybox mkdir /proc\n"
    "/bin/busybox mount -t proc proc /proc\n"
    "/bin/busybox echo \"init: Linux $(/bin/busybox uname -r), "
    "$(/bin/busybox nproc) CPUs\"\n"
    "/bin/busybox poweroff -f\n";

TEST_F(RunTest, PowerOffIsStatusZero) {
    const Ended ended = demo_run({"--kernel", guest("hello"), "--memory", "64"});
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_THAT(ended.output,
                AllOf(HasSubstr("hello from a guest"), HasSubstr("guest: power off")));
}

TEST_F(RunTest, CrashIsStatusOneAndSaysWhy) {
    const Ended ended = demo_run({"--kernel", guest("attack-triple-fault"), "--memory", "64"});
    EXPECT_EQ(ended.status, 1) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("guest: stopped by the hypervisor: triple fault"));
}

TEST_F(RunTest, TimeOutIsStatusThree) {
    const Ended ended = demo_run({"--kernel", guest("spin"), "--memory", "64", "--timeout", "10"});
    EXPECT_EQ(ended.status, 3) << ended.output;
    EXPECT_THAT(ended.output, AllOf(HasSubstr("spinning"), HasSubstr("its time was over")));
}

TEST_F(RunTest, WhatIsNoKernelIsStatusTwo) {
    const Ended ended = demo_run({"--kernel", source("README.md").string()});
    EXPECT_EQ(ended.status, 2) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("found neither"));
    EXPECT_EQ(demo_run({"--kernel", (directory() / "nothing").string()}).status, 2);
}

TEST_F(RunTest, MeasuredLaunchRunsTheGuestToo) {
    const Ended ended =
        demo_run({"--kernel", guest("hello"), "--memory", "64", "--launch", "srtm"});
    EXPECT_EQ(ended.status, 0) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("hello from a guest"));
}

using Stock = std::tuple<Flavour, unsigned>; ///< with that many vCPUs

class StockRunTest : public RunTest, public testing::WithParamInterface<Stock> {};

TEST_P(StockRunTest, BootsWithItsVcpusAndPowersOff) {
    const auto [flavour, vcpus] = GetParam();
    const Ended ended = demo_run({"--kernel",
                                  stock_kernel_image(flavour).string(),
                                  "--initrd",
                                  ramdisk(power_off_script),
                                  "--memory",
                                  "256",
                                  "--vcpus",
                                  std::to_string(vcpus)});
    EXPECT_EQ(ended.status, 0) << ended.output;
    const std::string release = stock_kernel_modules(flavour).filename().string();
    EXPECT_THAT(ended.output,
                AllOf(HasSubstr("init: Linux " + release + ", " + std::to_string(vcpus) + " CPUs"),
                      HasSubstr("guest: power off")));
}

std::string stock_name(const testing::TestParamInfo<Stock>& info) {
    constexpr std::array names{"Generic", "Cloud", "Generic612"};
    const auto [flavour, vcpus] = info.param;
    return names.at(static_cast<std::size_t>(flavour)) + std::string{"Vcpus"} +
           std::to_string(vcpus);
}

INSTANTIATE_TEST_SUITE_P(Daily,
                         StockRunTest,
                         testing::Values(Stock{Flavour::generic, 1},
                                         Stock{Flavour::cloud, 4},
                                         Stock{Flavour::generic_6_12, 4}),
                         stock_name);
INSTANTIATE_TEST_SUITE_P(Nightly,
                         StockRunTest,
                         testing::Values(Stock{Flavour::generic, 4},
                                         Stock{Flavour::cloud, 1},
                                         Stock{Flavour::generic_6_12, 1}),
                         stock_name);

} // namespace
} // namespace ravelin::system_test

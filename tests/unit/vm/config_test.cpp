// SPDX-License-Identifier: Apache-2.0
#include <tools/vm/config.hpp>
#include <tools/vm/error.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::vm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* minimal = "name = \"web\"\nmemory = 192\nkernel = \"/boot/vmlinuz\"\n";

/// What parsing `more` behind a good file says.
std::string refusal(const std::string& more, const std::string& before = minimal) {
    try {
        static_cast<void>(parse_config(before + more, "web.toml"));
    } catch (const VmError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Config, ReadsAllKeys) {
    const Config config = parse_config(
        std::string{minimal} + "maxmem = 256\nvcpus = 2\nramdisk = \"/boot/initrd\"\n"
                               "extra = \"console=hvc0\"\nlabel = \"red\"\ncpu_weight = 512\n"
                               "cap = 150\nreservation = 20\n"
                               "disk = [\"/srv/a.img,raw,xvda,rw\", \"/dev/vg/lv, , xvdq, r\"]\n"
                               "vif = [\"mac=00:16:3e:01:02:03\", \"\"]\n",
        "web.toml");
    EXPECT_EQ(config.name, "web");
    EXPECT_EQ(config.memory_mib, 192u);
    EXPECT_EQ(config.max_memory_mib, 256u);
    EXPECT_EQ(config.vcpus, 2u);
    EXPECT_EQ(config.label, "red");
    EXPECT_EQ(config.schedule.weight, 512u);
    EXPECT_EQ(config.schedule.cap, 150u);
    EXPECT_EQ(config.schedule.reservation, 20u);
    ASSERT_EQ(config.disks.size(), 2u);
    EXPECT_EQ(config.disks[0].number, 51712u);
    EXPECT_EQ(config.disks[0].access, Access::read_write);
    EXPECT_EQ(config.disks[1].target, "/dev/vg/lv");
    EXPECT_EQ(config.disks[1].number, 0x10000000u | 16u << 8);
    EXPECT_EQ(config.disks[1].access, Access::read_only);
    ASSERT_EQ(config.nics.size(), 2u);
    EXPECT_EQ(config.nics[0].mac, "00:16:3e:01:02:03");
    EXPECT_THAT(config.nics[1].mac, StartsWith("00:16:3e:"));
}

TEST(Config, FrontEndsAreToldNotToTrust) {
    EXPECT_EQ(parse_config(minimal, "f").command_line,
              "xen_blkfront.trusted=0 xen_netfront.trusted=0");
    EXPECT_EQ(parse_config(std::string{minimal} + "extra = \"a b\"\n", "f").command_line,
              "a b xen_blkfront.trusted=0 xen_netfront.trusted=0");
}

TEST(Config, DefaultsAreXls) {
    const Config config = parse_config(minimal, "f");
    EXPECT_EQ(config.max_memory_mib, config.memory_mib);
    EXPECT_EQ(config.vcpus, 1u);
    EXPECT_EQ(config.schedule.weight, 256u);
    EXPECT_EQ(config.schedule.cap, 0u);
}

TEST(Config, WhatComesAfterAnEndIsAsInXl) {
    using wire::control::VmEnd;
    const Config plain = parse_config(minimal, "f");
    EXPECT_EQ(afterwards(plain, VmEnd::power_off), Afterwards::destroy);
    EXPECT_EQ(afterwards(plain, VmEnd::reboot), Afterwards::restart);
    EXPECT_EQ(afterwards(plain, VmEnd::fault), Afterwards::destroy);
    EXPECT_EQ(afterwards(plain, VmEnd::suspend), Afterwards::preserve);
    const Config own = parse_config(std::string{minimal} + "on_poweroff = \"preserve\"\n"
                                                           "on_reboot = \"destroy\"\n"
                                                           "on_crash = \"restart\"\n",
                                    "f");
    EXPECT_EQ(afterwards(own, VmEnd::power_off), Afterwards::preserve);
    EXPECT_EQ(afterwards(own, VmEnd::reboot), Afterwards::destroy);
    EXPECT_EQ(afterwards(own, VmEnd::crash), Afterwards::restart);
    EXPECT_EQ(afterwards(own, VmEnd::watchdog), Afterwards::restart);
    EXPECT_THAT(refusal("on_crash = \"coredump-destroy\"\n"),
                HasSubstr("expected destroy, restart or preserve, found 'coredump-destroy'"));
}

TEST(Config, MacsDifferAndStay) {
    const auto mac = [](const std::string& name) {
        return parse_config(
                   "name = \"" + name + "\"\nmemory = 1\nkernel = \"k\"\nvif = [\"\", \"\"]\n", "f")
            .nics;
    };
    EXPECT_EQ(mac("a")[0].mac, mac("a")[0].mac);
    EXPECT_NE(mac("a")[0].mac, mac("a")[1].mac);
    EXPECT_NE(mac("a")[0].mac, mac("b")[0].mac);
}

TEST(Config, RefusesWithPlaceAndExpectation) {
    EXPECT_EQ(refusal("memroy = 4\n"), "web.toml:4:1: unknown key 'memroy'");
    EXPECT_EQ(refusal("vtpm = true\n"),
              "web.toml:4:8: 'vtpm': guests have no virtual TPM yet; leave the key out");
    EXPECT_EQ(refusal("vcpus = 65\n"), "web.toml:4:9: 'vcpus': expected a number from 1 to 64");
    EXPECT_EQ(refusal("vcpus = \"2\"\n"), "web.toml:4:9: 'vcpus': expected a number from 1 to 64");
    EXPECT_THAT(refusal("maxmem = 100\n"), HasSubstr("at least 'memory', which is 192"));
    EXPECT_THAT(refusal("cap = 101\n"), HasSubstr("from 0 to 100"));
    EXPECT_EQ(refusal("extra = 3\n"), "web.toml:4:9: 'extra': expected text in quotes");
    EXPECT_THAT(refusal("extra = \"" + std::string(2048, 'x') + "\"\n"), HasSubstr("at most"));
    EXPECT_THAT(refusal("a = \n"), StartsWith("web.toml:4:"));
    EXPECT_EQ(refusal("", "memory = 1\nkernel = \"k\"\n"), "web.toml: 'name' is missing");
    EXPECT_EQ(refusal("", "name = \"a\"\nkernel = \"k\"\n"), "web.toml: 'memory' is missing (MiB)");
    EXPECT_THAT(refusal("", "name = \"a/b\"\nmemory = 1\nkernel = \"k\"\n"),
                StartsWith("web.toml:1:8: 'name': expected"));
}

TEST(Config, RefusesDisksAndNics) {
    EXPECT_EQ(refusal("disk = \"x\"\n"), "web.toml:4:8: 'disk': expected a list, [\"...\", ...]");
    EXPECT_THAT(refusal("disk = [\"/a\"]\n"), HasSubstr("expected \"TARGET,raw,xvda,rw\""));
    EXPECT_THAT(refusal("disk = [\"/a,qcow2,xvda\"]\n"), HasSubstr("found 'qcow2'"));
    EXPECT_THAT(refusal("disk = [\"/a,raw,sda\"]\n"), HasSubstr("found 'sda'"));
    EXPECT_THAT(refusal("disk = [\"a,raw,xvda\"]\n"), HasSubstr("absolute path"));
    EXPECT_THAT(refusal("disk = [\"/a,raw,xvda,x\"]\n"), HasSubstr("expected r or rw"));
    EXPECT_THAT(refusal("disk = [\"/a,raw,xvda\", \"/b,raw,xvda\"]\n"),
                HasSubstr("xvda is there twice"));
    EXPECT_THAT(refusal("vif = [\"bridge=br0\"]\n"), HasSubstr("the bridge follows"));
    EXPECT_THAT(refusal("vif = [\"mac=00:16:3e:01:02\"]\n"), HasSubstr("expected mac="));
    EXPECT_THAT(refusal("vif = [\"mac=01:16:3e:01:02:03\"]\n"), HasSubstr("group address"));
}

TEST(DiskNumber, FollowsBothSchemes) {
    EXPECT_EQ(disk_number("xvda"), 51712u);
    EXPECT_EQ(disk_number("xvdb"), 51728u);
    EXPECT_EQ(disk_number("xvdp"), 51952u);
    EXPECT_EQ(disk_number("xvdq"), 268439552u);
    for (const char* bad : {"", "xvd", "xvdA", "xvda1", "hda"})
        EXPECT_EQ(disk_number(bad), 0u) << bad;
}

} // namespace
} // namespace ravelin::vm

// SPDX-License-Identifier: Apache-2.0
#include <tools/run/guest.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::run {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ManifestToml, HasOneGuestAndNoDomain0) {
    const std::string toml = manifest_toml({"console=hvc0 a=\"b\\c\"", 192, 4, Ramdisk::absent});
    EXPECT_THAT(toml, HasSubstr("role = \"guest\"\n"));
    EXPECT_THAT(toml, Not(HasSubstr("domain0")));
    EXPECT_THAT(toml, HasSubstr("memory_mib = 192\n"));
    EXPECT_THAT(toml, HasSubstr("vcpus = 4\n"));
    EXPECT_THAT(toml, HasSubstr("command_line = \"console=hvc0 a=\\\"b\\\\c\\\"\"\n"));
    EXPECT_THAT(toml, Not(HasSubstr("ramdisk")));
    EXPECT_THAT(manifest_toml({"", 64, 1, Ramdisk::present}),
                HasSubstr("ramdisk = \"guest.initrd\"\n"));
}

TEST(MachineMemory, GrowsWithGuestAndImages) {
    const Guest guest{"", 1024, 1, Ramdisk::absent};
    const unsigned direct = machine_memory_mib(guest, 0, Launch::direct);
    EXPECT_GT(direct, 1024u);
    EXPECT_EQ(machine_memory_mib(guest, u64{100} << 20, Launch::direct), direct + 100);
    EXPECT_GT(machine_memory_mib(guest, 0, Launch::srtm), direct);
}

} // namespace
} // namespace ravelin::run

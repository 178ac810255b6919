// SPDX-License-Identifier: Apache-2.0
#include <tools/image/boot_image.hpp>
#include <tools/server/process.hpp>

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(GrubConfig, NamesEachModuleTwice) {
    const BootFiles files{"/x/image", "", {{"/x/m", "manifest"}, {"/x/k", "dom0.kernel"}}};
    EXPECT_EQ(grub_config(files),
              "multiboot2 /ravelin.elf32\n"
              "module2 /manifest manifest\n"
              "module2 /dom0.kernel dom0.kernel\n"
              "boot\n");
}

TEST(GrubConfig, HypervisorArgumentsAreKept) {
    EXPECT_THAT(grub_config({"/x/image", "console=com1", {}}),
                HasSubstr("multiboot2 /ravelin.elf32 console=com1\n"));
}

TEST(UefiDisk, IsReproducibleAndHoldsItsFiles) {
    const PrivateDirectory directory;
    std::ofstream{directory.path() / "hypervisor"} << "not an ELF";
    std::ofstream{directory.path() / "module"} << "a module";
    const BootFiles files{
        directory.path() / "hypervisor", "", {{directory.path() / "module", "manifest"}}};
    build_uefi_disk(files, grub_config(files), directory.path() / "one");
    build_uefi_disk(files, grub_config(files), directory.path() / "two");
    EXPECT_TRUE(read_text_file(directory.path() / "one") ==
                read_text_file(directory.path() / "two"));
    run({.arguments =
             {"mdir", "-b", "-/", "-i", (directory.path() / "one").string() + "@@1M", "::/"},
         .output = directory.path() / "listing",
         .inherited = {},
         .environment = {}},
        10s);
    const std::string listing = read_text_file(directory.path() / "listing");
    for (const char* name :
         {"::/EFI/BOOT/BOOTX64.EFI", "::/boot/grub/grub.cfg", "::/ravelin.elf32", "::/manifest"})
        EXPECT_THAT(listing, HasSubstr(name));
}

} // namespace
} // namespace ravelin::tools

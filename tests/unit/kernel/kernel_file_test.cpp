// SPDX-License-Identifier: Apache-2.0
#include <tools/kernel/kernel_file.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

std::vector<u8> bytes(usize size, usize at, std::string_view text) {
    std::vector<u8> file(size);
    std::copy(text.begin(), text.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
    return file;
}

TEST(SniffKernel, TellsByFirstBytes) {
    EXPECT_EQ(sniff_kernel(bytes(64,
                                 0,
                                 "\x7f"
                                 "ELF")),
              KernelKind::elf);
    EXPECT_EQ(sniff_kernel(bytes(0x206, 0x202, "HdrS")), KernelKind::bzimage);
    EXPECT_EQ(sniff_kernel(bytes(0x205, 0x1ff, "HdrS")), KernelKind::unknown) << "elsewhere";
    EXPECT_EQ(sniff_kernel({}), KernelKind::unknown);
    EXPECT_EQ(sniff_kernel(bytes(3,
                                 0,
                                 "\x7f"
                                 "EL")),
              KernelKind::unknown);
}

TEST(BootableKernel, ElfGoesAsItIs) {
    const auto file = bytes(64,
                            0,
                            "\x7f"
                            "ELF");
    const auto kernel = bootable_kernel(file);
    ASSERT_TRUE(kernel);
    EXPECT_EQ(kernel.value(), file);
}

TEST(BootableKernel, SaysWhatIsWrong) {
    const auto text = bootable_kernel(bytes(1024, 0, "#!/bin/sh"));
    ASSERT_FALSE(text);
    EXPECT_THAT(text.error(), testing::HasSubstr("found neither"));
    const auto empty = bootable_kernel(bytes(1024, 0x202, "HdrS"));
    ASSERT_FALSE(empty);
    EXPECT_THAT(empty.error(), testing::StartsWith("a bzImage, but "));
}

} // namespace
} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// The scan of a tboot binary: of Debian's, and what is said of files that are none.
#include <tools/server/error.hpp>
#include <tools/txt/tboot_image.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

using testing::HasSubstr;

TEST(TbootImageTest, Debians) {
    const auto elf = read_unpacked("/boot/tboot.gz");
    const auto image = scan_tboot(elf);
    ASSERT_TRUE(image) << image.error();
    EXPECT_EQ(image.value().base, 0x80'0000U);
    EXPECT_EQ(image.value().entry, 0x80'4000U);
    EXPECT_EQ(image.value().getsec.size(), 10U);
    EXPECT_EQ(image.value().feature_control_reads.size(), 1U);
    EXPECT_EQ(image.value().handovers.size(), 2U);
    EXPECT_GE(image.value().cr4_writes.size(), 10U);
    // Without the instructions a scan names the first that it misses.
    auto without = elf;
    for (std::size_t i = 0; i + 1 < without.size(); ++i)
        if (without[i] == 0x0f && without[i + 1] == 0x37)
            without[i] = 0x90;
    const auto scanned = scan_tboot(without);
    ASSERT_FALSE(scanned);
    EXPECT_THAT(scanned.error(), HasSubstr("GETSEC"));
}

TEST(TbootImageTest, OtherFiles) {
    EXPECT_FALSE(scan_tboot({}));
    const std::vector<u8> zeros(4096);
    const auto scanned = scan_tboot(zeros);
    ASSERT_FALSE(scanned);
    EXPECT_THAT(scanned.error(), HasSubstr("ELF32"));
    EXPECT_THROW((void)read_unpacked("/nonexistent/tboot.gz"), ServerError);
}

TEST(TbootImageTest, EveryTruncationIsRefused) {
    auto elf = read_unpacked("/boot/tboot.gz");
    for (std::size_t size = elf.size() / 2; size > 0; size /= 2) {
        elf.resize(size);
        EXPECT_FALSE(scan_tboot(elf)) << size;
    }
}

} // namespace
} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
#include <tools/image/cpio.hpp>
#include <tools/server/process.hpp>

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string text_of(const CpioArchive& archive) {
    const std::vector<u8> bytes = archive.encode();
    return {bytes.begin(), bytes.end()};
}

TEST(Cpio, HeaderIsAsTheFormatSays) {
    CpioArchive archive;
    archive.add_file("/a", {'x'});
    EXPECT_TRUE(text_of(archive).starts_with("070701"
                                             "00000001" // inode
                                             "000081A4" // regular file, 0644
                                             "0000000000000000"
                                             "00000001" // links
                                             "00000000" // time
                                             "00000001" // size
                                             "00000000000000000000000000000000"
                                             "00000002" // name
                                             "00000000"));
}

TEST(Cpio, OrderOfAddingDoesNotMatter) {
    CpioArchive one;
    one.add_file("/b/c", {1});
    one.add_file("/a", {2});
    CpioArchive two;
    two.add_file("/a", {2});
    two.add_file("/b/c", {1});
    EXPECT_EQ(one.encode(), two.encode());
}

TEST(Cpio, StockCpioReadsIt) {
    CpioArchive archive;
    archive.add_file("/usr/bin/tool", {1, 2, 3, 4, 5}, 0755);
    archive.add_link("/bin", "usr/bin");
    archive.add_character_device("/dev/console", 5, 1);
    const PrivateDirectory directory;
    const std::vector<u8> bytes = archive.encode();
    std::ofstream{directory.path() / "archive"} << std::string{bytes.begin(), bytes.end()};
    run({.arguments = {"sh",
                       "-c",
                       "TZ=UTC cpio -tvn -F '" + (directory.path() / "archive").string() + "'"},
         .output = directory.path() / "listing",
         .inherited = {},
         .environment = {}},
        10s);
    const std::string listing = read_text_file(directory.path() / "listing");
    EXPECT_THAT(listing, HasSubstr("bin -> usr/bin"));
    EXPECT_THAT(listing, HasSubstr("usr/bin/tool"));
    EXPECT_THAT(listing, HasSubstr("          5,   1 Jan  1  1970 dev/console"));
}

} // namespace
} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// tboot's configuration against tboot's own tools: a policy of ours is tb_polgen's byte for byte,
// and a prediction names what changes it.
#include <tools/server/process.hpp>
#include <tools/tboot/boot_file.hpp>
#include <tools/tboot/menu_entry.hpp>
#include <tools/tboot/predict.hpp>

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools::tboot {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Bytes bytes_of(const std::string& text) {
    return {text.begin(), text.end()};
}

const std::vector<PolicyModule> modules{{"hello there", bytes_of("one")}, {"", bytes_of("two")}};

TEST(PolicyTest, IsTbPolgens) {
    const PrivateDirectory directory;
    const auto file = [&](const char* name) { return (directory.path() / name).string(); };
    std::ofstream{file("one")} << "one";
    std::ofstream{file("two")} << "two";
    const auto polgen = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "tb_polgen");
        arguments.push_back(file("policy"));
        tools::run({.arguments = arguments, .output = {}, .inherited = {}, .environment = {}},
                   std::chrono::seconds{20});
    };
    polgen({"--create", "--type", "halt", "--alg", "sha256"});
    polgen({"--add",
            "--num",
            "0",
            "--pcr",
            "none",
            "--hash",
            "image",
            "--cmdline",
            "hello there",
            "--image",
            file("one")});
    polgen({"--add",
            "--num",
            "1",
            "--pcr",
            "none",
            "--hash",
            "image",
            "--cmdline",
            "",
            "--image",
            file("two")});
    const Bytes theirs = read_boot_file(file("policy")).value();
    const Policy ours = policy_for(PolicyType::halt, modules);
    EXPECT_EQ(encode(ours), theirs);
    const auto decoded = decode_policy(theirs);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded.value(), ours);
    EXPECT_THAT(describe(ours), HasSubstr("type halt"));
}

TEST(PolicyTest, DecodesWhatItEncodesAndNothingElse) {
    for (const Policy& policy : {policy_for(PolicyType::go_on, modules), default_policy()}) {
        const Bytes bytes = encode(policy);
        const auto decoded = decode_policy(bytes);
        ASSERT_TRUE(decoded);
        EXPECT_EQ(decoded.value(), policy);
        for (usize size = 0; size < bytes.size(); ++size)
            EXPECT_FALSE(decode_policy(std::span{bytes}.first(size))) << size;
        Bytes longer = bytes;
        longer.push_back(0);
        EXPECT_EQ(decode_policy(longer).error(), PolicyError::trailing);
    }
    Bytes other = encode(default_policy());
    other[0] = 1;
    EXPECT_EQ(decode_policy(other).error(), PolicyError::unknown_version);
    other[0] = 2;
    other[2] = 4;
    EXPECT_EQ(decode_policy(other).error(), PolicyError::unknown_hash);
}

TEST(MenuEntryTest, LinesForGrub) {
    MenuEntry entry;
    entry.modules = {{"/kernel", "a b"}, {"/module", ""}};
    const std::string lines = grub_lines(entry);
    EXPECT_THAT(lines, StartsWith("multiboot2 /tboot.gz logging="));
    EXPECT_THAT(lines, HasSubstr("\nmodule2 /kernel a b\nmodule2 /module\n"));
    EXPECT_GT(padded_options(entry.options).size(), 3800U);
    EXPECT_EQ(padded_options(std::string(5000, 'a')).size(), 5009U);
}

TEST(BootFileTest, UnpacksGzip) {
    const auto content = read_boot_file("/boot/tboot.gz");
    ASSERT_TRUE(content);
    EXPECT_EQ(content.value().at(1), 'E');
    EXPECT_FALSE(read_boot_file("/nonexistent"));
    EXPECT_FALSE(read_boot_file("/boot"));
}

class EnvironmentTest : public testing::Test {
  protected:
    Bytes elf_ = read_boot_file("/boot/tboot.gz").value();
};

TEST_F(EnvironmentTest, OnlyTheStartOfTheCommandLineIsMeasured) {
    const std::string line(511, 'a');
    const auto environment = tboot_environment(elf_, line);
    ASSERT_TRUE(environment);
    EXPECT_EQ(tboot_environment(elf_, line + "b").value(), environment.value());
    EXPECT_NE(tboot_environment(elf_, line.substr(1)).value(), environment.value());
}

TEST_F(EnvironmentTest, BrokenFilesAreRefused) {
    EXPECT_FALSE(tboot_environment({}, ""));
    EXPECT_FALSE(tboot_environment(std::span{elf_}.first(1000), ""));
    Bytes other(elf_.size());
    EXPECT_FALSE(tboot_environment(other, ""));
}

TEST(PredictTest, BrokenInputsAreNamed) {
    LaunchFiles files;
    files.sinit = Bytes(100);
    const auto events = predict_txt(files);
    ASSERT_FALSE(events);
    EXPECT_THAT(events.error(), StartsWith("SINIT: "));
}

} // namespace
} // namespace ravelin::tools::tboot

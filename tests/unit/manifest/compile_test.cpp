// SPDX-License-Identifier: Apache-2.0
// Manifests as people write them: what compiles, and what is said of the rest.
#include <tools/manifest/compile.hpp>
#include <wire/manifest.hpp>

#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

const std::string head = "version = 1\nplatform = \"Emulated platform\"\n";
const std::string domain0 = "[[domain]]\n"
                            "id = 0\n"
                            "name = \"dom0\"\n"
                            "role = \"domain0\"\n"
                            "kernel = \"dom0.kernel\"\n"
                            "ramdisk = \"dom0.initrd\"\n"
                            "command_line = \"console=hvc0\"\n"
                            "memory_mib = 512\n"
                            "vcpus = 1\n"
                            "devices = \"all-unassigned\"\n"
                            "label = \"system\"\n";
const std::string guest = "[[domain]]\n"
                          "id = 1\n"
                          "name = \"net\"\n"
                          "role = \"guest\"\n"
                          "kernel = \"k\"\n"
                          "memory_mib = 64\n"
                          "vcpus = 2\n"
                          "devices = [\"0000:00:1f.2\", \"0001:ff:00.7\"]\n"
                          "label = \"red \\\"one\\\"\"\n";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    return text.replace(text.find(what), what.size(), with);
}

std::string refusal(const std::string& toml) {
    const auto compiled = compile_manifest(toml);
    return compiled ? "" : describe(compiled.error(), "m.toml");
}

TEST(CompileManifest, TwoDomains) {
    const auto compiled = compile_manifest(head + domain0 + guest);
    ASSERT_TRUE(compiled.is_ok()) << describe(compiled.error(), "m.toml");
    const auto manifest = wire::Manifest::decode(compiled.value());
    ASSERT_TRUE(manifest.is_ok());
    EXPECT_EQ(manifest.value().platform(), "Emulated platform");
    EXPECT_EQ(manifest.value().domain(0).command_line, "console=hvc0");
    const wire::ManifestDomain second = manifest.value().domain(1);
    EXPECT_EQ(second.devices[1], (PciAddress{1, 0xff, 0, 7}));
    EXPECT_EQ(second.label, "red \"one\"");
    EXPECT_TRUE(second.ramdisk.empty());
}

TEST(CompileManifest, ShowGivesTomlThatCompilesToTheSame) {
    const auto compiled = compile_manifest(head + domain0 + guest);
    ASSERT_TRUE(compiled.is_ok());
    const auto shown = show_manifest(compiled.value());
    ASSERT_TRUE(shown.is_ok());
    const auto again = compile_manifest(shown.value());
    ASSERT_TRUE(again.is_ok()) << describe(again.error(), "m.toml");
    EXPECT_EQ(again.value(), compiled.value());
}

TEST(CompileManifest, SaysWhereAndWhat) {
    EXPECT_EQ(refusal(head + replaced(domain0, "id = 0\n", "")), "m.toml:3:1: 'id' is missing");
    EXPECT_EQ(refusal(head + replaced(domain0, "vcpus = 1", "vcpus = \"1\"")),
              "m.toml:11:9: 'vcpus' is not a number from 0 to 4294967295");
    EXPECT_EQ(refusal(head + replaced(domain0, "vcpus", "vcpu")), "m.toml:3:1: 'vcpus' is missing");
    EXPECT_EQ(refusal(head + domain0 + "colour = 1\n"), "m.toml:14:1: unknown key 'colour'");
    EXPECT_EQ(refusal(head + replaced(domain0, "\"domain0\"", "\"king\"")),
              "m.toml:6:8: 'role' is \"domain0\" or \"guest\"");
    EXPECT_NE(refusal(head + domain0 + replaced(guest, "1f.2", "20.0")).find("m.toml:21:12: not a"),
              std::string::npos);
    EXPECT_EQ(refusal(head + replaced(domain0, "vcpus = 1", "vcpus = 0")),
              "m.toml:3:1: domain 'dom0': a value out of range");
    EXPECT_EQ(refusal(head + domain0 + domain0),
              "m.toml: no domain, domain 0 not first, or id 0 without its role");
    EXPECT_EQ(refusal("version = 2\nplatform = \"x\"\n" + domain0),
              "m.toml:1:11: 'version' is not 1");
}

TEST(CompileManifest, BadTomlHasAPlace) {
    EXPECT_EQ(refusal("version = \n").substr(0, 9), "m.toml:1:");
}

TEST(ShowManifest, RefusesWhatIsNone) {
    EXPECT_FALSE(show_manifest({}).is_ok());
}

} // namespace
} // namespace ravelin::tools

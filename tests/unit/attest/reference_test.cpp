// SPDX-License-Identifier: Apache-2.0
// The predictor against what a real GRUB on a real OVMF logged.
#include "sample.hpp"

#include <wire/manifest.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::attest {
namespace {

constexpr const char* config = "multiboot2 /ravelin.elf32\n"
                               "module2 /manifest manifest\n"
                               "module2 /dom0.kernel dom0.kernel\n"
                               "module2 /dom0.initrd dom0.initrd\n"
                               "boot\n";

std::map<std::string, Bytes> files() {
    return {{"/ravelin.elf32", {1}},
            {"/manifest", {'m', 'a', 'n', 'i', 'f', 'e', 's', 't', '\n'}},
            {"/dom0.kernel", {2}},
            {"/dom0.initrd", {3}}};
}

TEST(PredictBootLoader, CommandsAreAsGrubLoggedThem) {
    const SamplePlatform platform;
    const auto predicted = predict_boot_loader(config, files());
    ASSERT_TRUE(predicted) << predicted.error();
    EXPECT_EQ(predicted.value().events.at(8), platform.expectation({}).reference.events.at(8));
}

TEST(PredictBootLoader, FilesAreNamedAsGrubLoggedThem) {
    const SamplePlatform platform;
    const auto logged = platform.expectation({}).reference.events.at(9);
    const auto predicted = predict_boot_loader(config, files()).value().events.at(9);
    ASSERT_EQ(predicted.size(), logged.size());
    for (usize i = 0; i < logged.size(); ++i)
        EXPECT_EQ(predicted[i].name, logged[i].name);
    // Of that boot we still have grub.cfg and the nine bytes of its stand-in manifest.
    EXPECT_EQ(predicted[0], logged[0]);
    EXPECT_EQ(predicted[2], logged[2]);
}

TEST(ReferenceFile, EventlessRegistersSurviveEncoding) {
    Reference reference;
    for (unsigned pcr = 0; pcr < 8; ++pcr)
        reference.firmware[pcr] = {};
    for (const unsigned pcr : {8u, 9u, 12u})
        reference.events[pcr] = {};
    const auto decoded = decode_reference(encode_reference(reference));
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(encode_reference(decoded.value()), encode_reference(reference));
}

TEST(ReferenceFile, AVersionThatIsNoNumberIsAnError) {
    for (const char* text :
         {R"({"version":"1"})", R"({"version":[1]})", R"({"version":2})", "{}", "[]"})
        EXPECT_FALSE(decode_reference(text)) << text;
    EXPECT_FALSE(decode_reference(R"({"version":"1","firmware":{},"events":{},"manifest":""})"));
}

TEST(PredictBootLoader, UnknownLineOrFileIsAnError) {
    EXPECT_FALSE(predict_boot_loader("insmod x\n", files()));
    EXPECT_FALSE(predict_boot_loader("module2 /other other\n", files()));
}

TEST(PredictBootLoader, LineThatGrubWouldChangeIsAnError) {
    for (const char* line : {"multiboot2  /ravelin.elf32\n", "multiboot2 /ravelin.elf32 $x\n"})
        EXPECT_FALSE(predict_boot_loader(line, files())) << line;
}

TEST(PredictLaunch, NamesAndOrder) {
    auto loaded = files();
    loaded["/manifest"] = sample_manifest();
    const auto modules = boot_modules(config, loaded);
    ASSERT_TRUE(modules) << modules.error();
    const auto launch = predict_launch(modules.value());
    ASSERT_TRUE(launch) << launch.error();
    std::vector<std::string> names;
    for (const ReferenceEvent& event : launch.value().events)
        names.push_back(event.name);
    EXPECT_THAT(names,
                testing::ElementsAre("ravelin:manifest:manifest",
                                     "ravelin:kernel:dom0",
                                     "ravelin:ramdisk:dom0",
                                     "ravelin:cmdline:dom0",
                                     "ravelin:config:dom0",
                                     "separator"));
    EXPECT_EQ(launch.value().events[0].digest, launch.value().manifest);
}

TEST(PredictLaunch, MissingPiecesAreNamed) {
    std::map<std::string, Bytes> modules{{"manifest", sample_manifest()}};
    EXPECT_EQ(predict_launch({}).error(), "no module is named manifest");
    EXPECT_EQ(predict_launch(modules).error(), "no module is named dom0.kernel");
    modules["manifest"].push_back(0);
    EXPECT_FALSE(predict_launch(modules));
}

TEST(FirmwareReference, LeavingBootServicesIsAddedToPcr5) {
    const SamplePlatform platform;
    const auto found = platform.expectation({}).reference.firmware;
    // PCR 5 of the same boot before its last two events.
    Digest before{};
    const Bytes log = real_firmware_log();
    auto events = wire::LogReader::open(log).value();
    std::vector<Digest> digests;
    while (const auto event = events.next().value()) {
        if (event->pcr != PcrIndex{5})
            continue;
        Digest digest{};
        const auto bytes = *event->digest(wire::tpm::Algorithm::sha256);
        std::copy(bytes.begin(), bytes.end(), digest.begin());
        digests.push_back(digest);
    }
    for (usize i = 0; i + 2 < digests.size(); ++i)
        evidence::extend(before, digests[i]);
    std::string json = R"({"sha256":{)";
    for (unsigned pcr = 0; pcr < 8; ++pcr)
        json += (pcr == 0 ? "\"" : ",\"") + std::to_string(pcr) + "\":\"" +
                to_hex(pcr == 5 ? before : found.at(pcr)) + "\"";
    const auto reference = firmware_reference(json + "}}");
    ASSERT_TRUE(reference) << reference.error();
    EXPECT_EQ(reference.value(), found);
}

TEST(Reference, EncodesAndDecodes) {
    const Reference reference = SamplePlatform{}.expectation({}).reference;
    const std::string json = encode_reference(reference);
    const auto decoded = decode_reference(json);
    ASSERT_TRUE(decoded) << decoded.error();
    EXPECT_EQ(encode_reference(decoded.value()), json);
    EXPECT_FALSE(decode_reference("{}"));
    EXPECT_FALSE(decode_reference(R"({"version":1,"firmware":{},"events":{},"manifest":""})"));
}

} // namespace
} // namespace ravelin::attest

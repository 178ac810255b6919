// SPDX-License-Identifier: Apache-2.0
#include <tools/demo/tamper.hpp>
#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <bit>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ravelin::demo {
namespace {

using tools::PrivateDirectory;
using tools::read_text_file;

unsigned differing_bits(const std::string& one, const std::string& two) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < one.size(); ++i)
        bits += static_cast<unsigned>(
            std::popcount(static_cast<u8>(static_cast<u8>(one[i]) ^ static_cast<u8>(two[i]))));
    return bits;
}

TEST(FlipBit, ChangesOneBitOfTheFile) {
    const PrivateDirectory directory;
    const std::filesystem::path file = directory.path() / "file";
    const std::string before = std::string{"\0\1banner: Ravelin 0.1\0", 22};
    std::ofstream{file} << before;
    const std::optional<BitFlip> flip = file_flip(Tamper::hypervisor);
    ASSERT_TRUE(flip);
    EXPECT_EQ(flip_bit(file, *flip), before.find("Ravelin") + 6);
    const std::string after = read_text_file(file);
    ASSERT_EQ(after.size(), before.size());
    EXPECT_EQ(differing_bits(before, after), 1U);
    EXPECT_THROW(flip_bit(file, *flip), tools::ServerError) << "the text is gone";
}

TEST(FlipBit, EvidenceIsNoFile) {
    EXPECT_FALSE(file_flip(Tamper::quote));
    EXPECT_FALSE(file_flip(Tamper::ek));
}

TEST(TamperedEvidence, OnePieceOfItDiffers) {
    // "grub_cmd: module2 /dom0.kernel dom0.kernel" and eight bytes in base64.
    const std::string evidence =
        R"({"logs":{"firmware":"Z3J1Yl9jbWQ6IG1vZHVsZTIgL2RvbTAua2VybmVsIGRvbTAua2VybmVs"},)"
        R"("quote":"AAECAwQFBgc="})";
    const auto log = nlohmann::json::parse(tampered_evidence(evidence, Tamper::log));
    EXPECT_EQ(log["quote"], "AAECAwQFBgc=");
    EXPECT_EQ(log["logs"]["firmware"], "Z3J1Yl9jbWQ6IG1vZHVsZTIgL2RvbTAua2VybmVtIGRvbTAua2VybmVs");
    const auto quote = nlohmann::json::parse(tampered_evidence(evidence, Tamper::quote));
    EXPECT_EQ(quote["quote"], "AAECAwUFBgc=");
    EXPECT_EQ(quote["logs"], nlohmann::json::parse(evidence)["logs"]);
}

} // namespace
} // namespace ravelin::demo

// SPDX-License-Identifier: Apache-2.0
// The processor's check of SINIT: every byte that matters, changed, is refused.
#include <tools/server/process.hpp>
#include <tools/txt/acm.hpp>

#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

class AcmTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        directory_ = std::make_unique<PrivateDirectory>();
        AcmAuthority authority{directory_->path() / "one"};
        module_ = authority.make_sinit();
        key_hash_ = authority.key_hash();
    }
    static void TearDownTestSuite() { directory_.reset(); }
    static AcmRefusal refusal(const Bytes& module) {
        const auto result = authenticate_acm(module, key_hash_);
        EXPECT_FALSE(result);
        return result ? AcmRefusal{} : result.error();
    }

    inline static std::unique_ptr<PrivateDirectory> directory_;
    inline static Bytes module_;
    inline static std::array<u8, 32> key_hash_;
};

TEST_F(AcmTest, AuthenticModuleIsTaken) {
    const auto acm = authenticate_acm(module_, key_hash_);
    ASSERT_TRUE(acm);
    EXPECT_EQ(acm.value().type, wire::AcmType::sinit);
    ASSERT_EQ(acm.value().chipsets.size(), 1U);
    EXPECT_EQ(acm.value().chipsets[0].device, chipset_device);
    ASSERT_EQ(acm.value().processors.size(), 1U);
    EXPECT_EQ(acm.value().processors[0].signature_mask, 0U);
    EXPECT_EQ(acm.value().capabilities, sinit_capabilities);
    EXPECT_EQ(acm.value().os_sinit_data_version, 7U);
    ASSERT_EQ(acm.value().hashes.size(), 2U);
    EXPECT_EQ(acm.value().hashes[1], 0x000b);
    // All but key (256), exponent (4), signature (256) and scratch (572).
    EXPECT_EQ(measured_part(acm.value()).size(), module_.size() - 256 - 4 - 256 - 572);
}

TEST_F(AcmTest, SameKeySameModule) {
    EXPECT_EQ(AcmAuthority{directory_->path() / "one"}.make_sinit(), module_);
}

TEST_F(AcmTest, AnyChangedByteIsRefused) {
    constexpr std::size_t scratch = 644;
    constexpr std::size_t scratch_end = 1216;
    for (std::size_t at = 0; at < module_.size(); at += at < scratch_end ? 7 : 509) {
        if (at >= scratch && at < scratch_end)
            continue;
        Bytes forged = module_;
        forged[at] ^= 0x10;
        EXPECT_FALSE(authenticate_acm(forged, key_hash_)) << "offset " << at;
    }
}

TEST_F(AcmTest, ScratchIsNotSigned) {
    Bytes module = module_;
    module[700] ^= 1;
    EXPECT_TRUE(authenticate_acm(module, key_hash_));
}

TEST_F(AcmTest, AnotherKeysModuleIsRefused) {
    const AcmAuthority other{directory_->path() / "two"};
    EXPECT_EQ(refusal(other.make_sinit()), AcmRefusal::authentication);
    EXPECT_EQ(error_code(AcmRefusal::authentication), 0x8000'0007U);
}

TEST_F(AcmTest, FormatsAreTold) {
    Bytes other_vendor = module_;
    other_vendor[16] ^= 1;
    EXPECT_EQ(refusal(other_vendor), AcmRefusal::unrecognized_format);
    Bytes other_version = module_;
    other_version[10] = 3;
    EXPECT_EQ(refusal(other_version), AcmRefusal::unrecognized_format);
    Bytes no_table = module_;
    no_table[1216] ^= 1;
    EXPECT_EQ(refusal(no_table), AcmRefusal::invalid_format);
    for (const std::size_t size : {0U, 100U, 1215U, 1230U, 0x3fffU})
        EXPECT_EQ(refusal({module_.begin(), module_.begin() + static_cast<std::ptrdiff_t>(size)}),
                  AcmRefusal::invalid_format)
            << size;
}

} // namespace
} // namespace ravelin::tools::txt

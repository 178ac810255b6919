// SPDX-License-Identifier: Apache-2.0
// TPM framing, and what we write checked with tpm2-tss's own marshalling: names of response codes,
// the attestation key's template.
#include <wire/attestation_key.hpp>
#include <wire/tpm.hpp>

#include <gtest/gtest.h>
#include <string>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

namespace ravelin::wire::tpm {
namespace {

TEST(TpmResponse, HeaderIsExact) {
    std::array<u8, 12> response{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x84, 0xaa, 0xbb};
    const auto header = decode_response_header(response);
    ASSERT_TRUE(header.is_ok());
    EXPECT_EQ(header.value().tag, Tag::no_sessions);
    EXPECT_EQ(header.value().code, 0x184u);
    for (usize size = 0; size < 10; ++size)
        EXPECT_EQ(decode_response_header(std::span{response}.first(size)).error(),
                  TpmDecodeError::truncated);
    EXPECT_EQ(decode_response_header(std::span{response}.first(11)).error(),
              TpmDecodeError::size_mismatch);
    response[5] = 11; // a byte beyond the size it states
    EXPECT_EQ(decode_response_header(response).error(), TpmDecodeError::size_mismatch);
    response[5] = 12;
    response[1] = 0x03;
    EXPECT_EQ(decode_response_header(response).error(), TpmDecodeError::bad_tag);
}

TEST(TpmResponse, NamesAreFoundWhateverTheirPlace) {
    EXPECT_EQ(response_name(0), "TPM_RC_SUCCESS");
    EXPECT_EQ(response_name(0x184), "TPM_RC_VALUE");     // handle 1
    EXPECT_EQ(response_name(0x1c4), "TPM_RC_VALUE");     // parameter 1
    EXPECT_EQ(response_name(0x98e), "TPM_RC_AUTH_FAIL"); // session 1
    EXPECT_EQ(response_name(0x907), "TPM_RC_LOCALITY");
    EXPECT_EQ(response_name(0x922), "TPM_RC_RETRY");
    EXPECT_EQ(response_name(0x1ff), "TPM_RC_(unknown)");
}

TEST(TpmResponse, WhatTpm2TssKnowsByNameWeDoToo) {
    unsigned known = 0;
    for (u32 code = 0x080; code < 0x940; ++code) {
        const bool format_one = (code & 0x080) != 0;
        const bool warning = code >= 0x900;
        if (format_one ? code >= 0x0c0 : code >= 0x180 && !warning)
            continue;
        const std::string decoded{Tss2_RC_Decode(code)};
        // "tpm:handle(unk):(null)" and the like: no name.
        const bool named =
            decoded.find("0x") == std::string::npos && decoded.find("(null)") == std::string::npos;
        EXPECT_TRUE(!named || response_name(code) != "TPM_RC_(unknown)")
            << std::hex << code << ' ' << decoded;
        known += named ? 1 : 0;
    }
    EXPECT_GT(known, 80u);
}

TEST(AttestationKey, Tpm2TssReadsTheTemplateAsMeant) {
    const auto& public_template = attestation_key::ak_s.public_area;
    TPMT_PUBLIC area{};
    size_t offset = 0;
    ASSERT_EQ(Tss2_MU_TPMT_PUBLIC_Unmarshal(
                  public_template.data(), public_template.size(), &offset, &area),
              TSS2_RC_SUCCESS);
    EXPECT_EQ(offset, public_template.size());
    EXPECT_EQ(area.type, TPM2_ALG_ECC);
    EXPECT_EQ(area.nameAlg, TPM2_ALG_SHA256);
    EXPECT_EQ(area.objectAttributes,
              static_cast<u32>(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                               TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                               TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT));
    EXPECT_EQ(area.authPolicy.size, attestation_key::policy.size());
    EXPECT_TRUE(std::equal(
        attestation_key::policy.begin(), attestation_key::policy.end(), area.authPolicy.buffer));
    EXPECT_EQ(area.parameters.eccDetail.symmetric.algorithm, TPM2_ALG_NULL);
    EXPECT_EQ(area.parameters.eccDetail.scheme.scheme, TPM2_ALG_ECDSA);
    EXPECT_EQ(area.parameters.eccDetail.scheme.details.ecdsa.hashAlg, TPM2_ALG_SHA256);
    EXPECT_EQ(area.parameters.eccDetail.curveID, TPM2_ECC_NIST_P256);
    EXPECT_EQ(area.parameters.eccDetail.kdf.scheme, TPM2_ALG_NULL);
    EXPECT_EQ(area.unique.ecc.x.size, 32);
    EXPECT_EQ(area.unique.ecc.y.size, 32);
}

} // namespace
} // namespace ravelin::wire::tpm

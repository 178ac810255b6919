// SPDX-License-Identifier: Apache-2.0
// Statements, evidence, the control hypercall's requests, and the attestation key's template.
#include <crypto/sha.hpp>
#include <wire/attestation_key.hpp>
#include <wire/control.hpp>
#include <wire/statement.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace ravelin::wire {
namespace {

Statement example() {
    Statement statement;
    statement.launch = Launch::srtm;
    statement.dma = DmaState::is_protected;
    statement.boot_id.fill(1);
    statement.manifest_digest.fill(2);
    statement.version.assign("ravelin 0.1");
    statement.label.assign("system");
    statement.submitter = DomainId{7};
    statement.nonce.fill(3);
    statement.caller_data.fill(4);
    return statement;
}

TEST(Statement, DecodeEncodeIsIdentity) {
    std::array<u8, Statement::max_size> buffer{};
    const auto bytes = encode(example(), buffer);
    ASSERT_TRUE(bytes.is_ok());
    const auto decoded = decode_statement(bytes.value());
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().launch, Launch::srtm);
    EXPECT_EQ(decoded.value().label.view(), "system");
    EXPECT_EQ(decoded.value().submitter, DomainId{7});
    std::array<u8, Statement::max_size> again{};
    EXPECT_TRUE(std::ranges::equal(encode(decoded.value(), again).value(), bytes.value()));
}

TEST(Statement, EveryCutAndEveryTailIsAnError) {
    std::array<u8, Statement::max_size> buffer{};
    const usize size = encode(example(), buffer).value().size();
    for (usize cut = 0; cut < size; ++cut)
        EXPECT_FALSE(decode_statement(std::span{buffer}.first(cut)).is_ok()) << cut;
    EXPECT_EQ(decode_statement(std::span{buffer}.first(size + 1)).error(),
              StatementError::trailing);
    buffer[10] = 4; // a launch kind that does not exist
    EXPECT_EQ(decode_statement(std::span{buffer}.first(size)).error(), StatementError::bad_value);
    buffer[0] = 'X';
    EXPECT_EQ(decode_statement(std::span{buffer}.first(size)).error(), StatementError::bad_magic);
}

TEST(Evidence, DecodeEncodeIsIdentityAndCutsAreErrors) {
    const std::vector<u8> statement(100, 1);
    const std::vector<u8> attested(120, 2);
    const std::vector<u8> signature(72, 3);
    EvidenceView evidence;
    evidence.statement = statement;
    evidence.index = 1;
    evidence.count = 3;
    ASSERT_TRUE(evidence.path.push_back({}));
    evidence.attested = attested;
    evidence.signature = signature;
    evidence.pcrs.set = 1u << 0 | 1u << 12;
    evidence.pcrs.values[12].fill(9);
    std::vector<u8> buffer(2048);
    const auto bytes = encode(evidence, buffer);
    ASSERT_TRUE(bytes.is_ok());
    const auto decoded = decode_evidence(bytes.value());
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().pcrs.values[12][0], 9);
    std::vector<u8> again(2048);
    EXPECT_TRUE(std::ranges::equal(encode(decoded.value(), again).value(), bytes.value()));
    for (usize cut = 0; cut < bytes.value().size(); ++cut)
        EXPECT_FALSE(decode_evidence(bytes.value().first(cut)).is_ok());
}

TEST(Control, RequestsAreOfExactSize) {
    const auto request = control::encode(control::LogRequest{control::Log::ravelin, 77});
    const auto decoded = control::decode_log_request(request);
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().log, control::Log::ravelin);
    EXPECT_EQ(decoded.value().offset, 77u);
    EXPECT_FALSE(control::decode_log_request(std::span{request}.first(11)).is_ok());
    const std::vector<u8> long_one(97);
    EXPECT_FALSE(control::decode_statement_request(long_one).is_ok());
    EXPECT_TRUE(control::decode_statement_request(std::span{long_one}.first(96)).is_ok());
    control::Info info;
    info.launch = Launch::srtm;
    info.has_tpm = true;
    EXPECT_EQ(control::decode_info(control::encode(info)).value().launch, Launch::srtm);
}

TEST(AttestationKey, PolicyIsWhatItsCommentSays) {
    using Hash = crypto::Sha256;
    const auto command_code = [](u8 code) {
        Hash stream;
        stream.update(std::array<u8, 32>{});
        stream.update(std::array<u8, 8>{0, 0, 0x01, 0x6c, 0, 0, 0x01, code});
        return stream.finish();
    };
    EXPECT_EQ(command_code(0x58), attestation_key::quote_policy);
    EXPECT_EQ(command_code(0x47), attestation_key::activate_policy);
    Hash stream;
    stream.update(std::array<u8, 32>{});
    stream.update(std::array<u8, 4>{0, 0, 0x01, 0x71});
    stream.update(attestation_key::quote_policy);
    stream.update(attestation_key::activate_policy);
    EXPECT_EQ(stream.finish(), attestation_key::policy);

    Hash locality;
    locality.update(std::array<u8, 32>{});
    locality.update(std::array<u8, 5>{0, 0, 0x01, 0x6f, 0x04});
    Hash quote;
    quote.update(locality.finish());
    quote.update(std::array<u8, 8>{0, 0, 0x01, 0x6c, 0, 0, 0x01, 0x58});
    EXPECT_EQ(quote.finish(), attestation_key::dynamic_quote_policy);
    Hash either;
    either.update(std::array<u8, 32>{});
    either.update(std::array<u8, 4>{0, 0, 0x01, 0x71});
    either.update(attestation_key::dynamic_quote_policy);
    either.update(attestation_key::activate_policy);
    EXPECT_EQ(either.finish(), attestation_key::dynamic_policy);
}

TEST(AttestationKey, AnotherTemplateDoesNotMatch) {
    for (const auto* wanted : {&attestation_key::ak_s, &attestation_key::ak_d}) {
        auto key = wanted->public_area;
        key.back() = 0x55; // another point is another TPM's key of the same template
        EXPECT_EQ(attestation_key::template_of(key), wanted);
        for (usize at = 0; at < attestation_key::prefix_size; ++at) {
            auto other = wanted->public_area;
            other[at] ^= 1;
            EXPECT_EQ(attestation_key::template_of(other), nullptr) << at;
        }
    }
}

} // namespace
} // namespace ravelin::wire

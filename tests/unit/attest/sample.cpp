// SPDX-License-Identifier: Apache-2.0
#include "sample.hpp"

#include <crypto/sha.hpp>
#include <wire/attestation_key.hpp>
#include <wire/manifest.hpp>
#include <wire/statement.hpp>

#include <algorithm>
#include <evidence/merkle.hpp>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>

namespace ravelin::attest {
namespace {

Bytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

template <typename T> void append(Bytes& out, T value) {
    for (usize i = sizeof(T); i > 0; --i)
        out.push_back(static_cast<u8>(value >> (8 * (i - 1))));
}

void append_sized(Bytes& out, std::span<const u8> bytes) {
    append(out, static_cast<u16>(bytes.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes coordinate(EVP_PKEY* key, const char* name) {
    BIGNUM* number = nullptr;
    EXPECT_EQ(EVP_PKEY_get_bn_param(key, name, &number), 1);
    Bytes out(32);
    BN_bn2binpad(number, out.data(), 32);
    BN_free(number);
    return out;
}

Bytes make_ravelin_log() {
    constexpr std::array algorithms{wire::tpm::Algorithm::sha256};
    Bytes buffer(4096);
    auto writer = wire::LogWriter::create(buffer, algorithms).value();
    for (const char* name :
         {"ravelin:manifest:manifest", "ravelin:kernel:dom0", "ravelin:cmdline:dom0"}) {
        const Digest digest = crypto::hash<crypto::Sha256>(bytes_of(name));
        const std::array digests{wire::LogDigest{wire::tpm::Algorithm::sha256, digest}};
        EXPECT_TRUE(writer.append(PcrIndex{12}, wire::EventType::ipl, digests, bytes_of(name)));
    }
    constexpr std::array<u8, 4> zeros{};
    const Digest digest = crypto::hash<crypto::Sha256>(zeros);
    const std::array digests{wire::LogDigest{wire::tpm::Algorithm::sha256, digest}};
    EXPECT_TRUE(writer.append(PcrIndex{12}, wire::EventType::separator, digests, zeros));
    const auto written = writer.bytes();
    return {written.begin(), written.end()};
}

/// SINIT extends two banks, tboot one of them: as in a log of a real launch.
Bytes make_dynamic_log() {
    constexpr std::array algorithms{wire::tpm::Algorithm::sha1, wire::tpm::Algorithm::sha256};
    Bytes buffer(8192);
    auto writer = wire::LogWriter::create(buffer, algorithms).value();
    const auto add = [&](u32 pcr, u32 type, const char* name, bool both, std::string_view data) {
        const Bytes content = bytes_of(name);
        const auto sha1 = crypto::hash<crypto::Sha1>(content);
        const Digest sha256 = crypto::hash<crypto::Sha256>(content);
        const std::array digests{wire::LogDigest{wire::tpm::Algorithm::sha1, sha1},
                                 wire::LogDigest{wire::tpm::Algorithm::sha256, sha256}};
        EXPECT_TRUE(writer.append(PcrIndex{pcr},
                                  static_cast<wire::EventType>(type),
                                  both ? std::span{digests} : std::span{digests}.subspan(1),
                                  bytes_of(data)));
    };
    add(17, 0x402, "SINIT", true, "");
    add(17, 0x404, "tboot", true, "");
    add(18, 0x410, "the vendor's key", true, "");
    add(17, 0x501, "policy", false, "");
    add(17, 0x501, "ravelin.elf32", false, "");
    for (const char* name : {"ravelin:manifest:manifest", "ravelin:kernel:dom0"})
        add(19, 0x0d, name, true, name);
    const std::string zeros(4, '\0');
    const Bytes four = bytes_of(zeros);
    const auto sha1 = crypto::hash<crypto::Sha1>(four);
    const Digest sha256 = crypto::hash<crypto::Sha256>(four);
    const std::array digests{wire::LogDigest{wire::tpm::Algorithm::sha1, sha1},
                             wire::LogDigest{wire::tpm::Algorithm::sha256, sha256}};
    EXPECT_TRUE(writer.append(PcrIndex{19}, wire::EventType::separator, digests, four));
    const auto written = writer.bytes();
    return {written.begin(), written.end()};
}

std::vector<ReferenceEvent> events_as_reference(const Bytes& log, unsigned pcr) {
    std::vector<ReferenceEvent> events;
    auto reader = wire::LogReader::open(log, wire::LogDigests::some);
    while (const auto event = reader.value().next().value()) {
        if (event->pcr != PcrIndex{pcr} || event->type == wire::EventType::no_action)
            continue;
        ReferenceEvent reference{{event->data.begin(), event->data.end()}, {}};
        if (event->type == wire::EventType::separator)
            reference.name = separator_text;
        if (reference.name.ends_with('\0'))
            reference.name.pop_back();
        const auto digest = *event->digest(wire::tpm::Algorithm::sha256);
        std::copy(digest.begin(), digest.end(), reference.digest.begin());
        events.push_back(reference);
    }
    return events;
}

evidence::PcrBank values_of(const Bytes& log) {
    return evidence::replay(log, evidence::initial_pcrs()).value().values;
}

} // namespace

Bytes sample_manifest() {
    wire::ManifestDomain domain;
    domain.name = "dom0";
    domain.role = wire::DomainRole::domain0;
    domain.kernel = "dom0.kernel";
    domain.ramdisk = "dom0.initrd";
    domain.command_line = "console=hvc0";
    domain.memory_mib = 512;
    domain.vcpus = 1;
    domain.label = "system";
    Bytes buffer(4096);
    const auto encoded = wire::encode_manifest("test", {}, std::array{domain}, buffer).value();
    return {encoded.begin(), encoded.end()};
}

Bytes real_firmware_log() {
    std::ifstream file{RAVELIN_TEST_DATA "/firmware_log.bin", std::ios::binary};
    const std::vector<char> content{std::istreambuf_iterator<char>{file}, {}};
    return {content.begin(), content.end()};
}

SamplePlatform::SamplePlatform(wire::Launch launch)
    : launch_{launch}, key_{EVP_EC_gen("P-256")}, firmware_log_{real_firmware_log()},
      ravelin_log_{launch == wire::Launch::drtm ? make_dynamic_log() : make_ravelin_log()} {
    namespace ak = wire::attestation_key;
    const ak::Template& made_from = launch == wire::Launch::drtm ? ak::ak_d : ak::ak_s;
    ak_public_.assign(made_from.public_area.begin(),
                      made_from.public_area.begin() + ak::prefix_size);
    append_sized(ak_public_, coordinate(key_, OSSL_PKEY_PARAM_EC_PUB_X));
    append_sized(ak_public_, coordinate(key_, OSSL_PKEY_PARAM_EC_PUB_Y));
}

SamplePlatform::~SamplePlatform() {
    EVP_PKEY_free(key_);
}

Bytes SamplePlatform::statement(const Digest& nonce, wire::Launch launch) {
    wire::Statement statement;
    statement.launch = launch;
    statement.dma = wire::DmaState::is_protected;
    statement.manifest_digest = crypto::hash<crypto::Sha256>(bytes_of("ravelin:manifest:manifest"));
    statement.version.assign("0.1.0");
    statement.nonce = nonce;
    Bytes buffer(wire::Statement::max_size);
    const auto written = wire::encode(statement, buffer).value();
    return {written.begin(), written.end()};
}

void SamplePlatform::quote(Evidence& evidence) const {
    evidence::PcrBank values = values_of(evidence.firmware_log);
    const bool drtm = launch_ == wire::Launch::drtm;
    const u32 set = drtm ? drtm_pcrs : srtm_pcrs;
    const evidence::PcrBank launched = drtm ? evidence::replay(evidence.ravelin_log,
                                                               evidence::dynamic_launch_pcrs(),
                                                               wire::LogDigests::some)
                                                  .value()
                                                  .values
                                            : values_of(evidence.ravelin_log);
    for (const unsigned pcr : {12U, 17U, 18U, 19U})
        values[pcr] = launched[pcr];
    crypto::Sha256 composite;
    evidence.pcrs.clear();
    for (unsigned pcr = 0; pcr < evidence::pcr_count; ++pcr) {
        if ((set >> pcr & 1) == 0)
            continue;
        evidence.pcrs[pcr] = values[pcr];
        composite.update(values[pcr]);
    }
    const auto leaf = evidence::leaf(evidence.statement);
    Bytes quote;
    append(quote, u32{0xff544347});
    append(quote, u16{0x8018});
    append_sized(quote, {});
    append_sized(quote, evidence::qualifying_data(1, leaf));
    append(quote, u64{1000});
    append(quote, u32{1});
    append(quote, u32{0});
    append(quote, u8{1});
    append(quote, u64{0});
    append(quote, u32{1});
    append(quote, u16{0x000b});
    append(quote, u8{3});
    for (unsigned octet = 0; octet < 3; ++octet)
        append(quote, static_cast<u8>(set >> (8 * octet)));
    append_sized(quote, composite.finish());
    evidence.quote = quote;

    Bytes der(80);
    usize size = der.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EXPECT_EQ(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_), 1);
    EXPECT_EQ(EVP_DigestSign(context, der.data(), &size, quote.data(), quote.size()), 1);
    EVP_MD_CTX_free(context);
    const u8* in = der.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(size));
    Bytes r(32);
    Bytes s(32);
    BN_bn2binpad(ECDSA_SIG_get0_r(parts), r.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parts), s.data(), 32);
    ECDSA_SIG_free(parts);
    evidence.signature.clear();
    append(evidence.signature, u16{0x0018});
    append(evidence.signature, u16{0x000b});
    append_sized(evidence.signature, r);
    append_sized(evidence.signature, s);
}

Evidence SamplePlatform::evidence(const Digest& nonce) const {
    Evidence evidence;
    evidence.statement = statement(nonce, launch_);
    evidence.firmware_log = firmware_log_;
    evidence.ravelin_log = ravelin_log_;
    evidence.ak_public = ak_public_;
    evidence.host = "sample";
    quote(evidence);
    return evidence;
}

Expectation SamplePlatform::expectation(const Digest& nonce) const {
    Expectation expectation{nonce, ak_public_, {}};
    expectation.reference.manifest =
        crypto::hash<crypto::Sha256>(bytes_of("ravelin:manifest:manifest"));
    if (launch_ == wire::Launch::drtm) {
        expectation.reference.launch = launch_;
        for (const unsigned pcr : {17U, 18U, 19U})
            expectation.reference.events[pcr] = events_as_reference(ravelin_log_, pcr);
        expectation.reference.events[17].back().name = "ravelin.elf32";
        return expectation;
    }
    const evidence::PcrBank values = values_of(firmware_log_);
    for (unsigned pcr = 0; pcr < 8; ++pcr)
        expectation.reference.firmware[pcr] = values[pcr];
    expectation.reference.events[8] = events_as_reference(firmware_log_, 8);
    expectation.reference.events[9] = events_as_reference(firmware_log_, 9);
    expectation.reference.events[12] = events_as_reference(ravelin_log_, 12);
    return expectation;
}

} // namespace ravelin::attest

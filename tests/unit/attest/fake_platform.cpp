// SPDX-License-Identifier: Apache-2.0
#include "fake_platform.hpp"

#include <attest/platform_tpm.hpp>
#include <attest/tcti.hpp>
#include <wire/manifest.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <tss2/tss2_esys.h>

namespace ravelin::attest {
namespace {

constexpr u64 year = 365 * 24 * 3600;

/// RSA with the modulus at the end of a TPMT_PUBLIC and the usual exponent.
EVP_PKEY* rsa_key(std::span<const u8> public_area) {
    const auto modulus = public_area.last(256);
    OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
    BIGNUM* n = BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr);
    EXPECT_EQ(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n), 1);
    EXPECT_EQ(OSSL_PARAM_BLD_push_ulong(builder, OSSL_PKEY_PARAM_RSA_E, 65537), 1);
    OSSL_PARAM* parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_fromdata_init(context), 1);
    EXPECT_EQ(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    BN_free(n);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

X509* certificate_for(
    EVP_PKEY* subject, const char* name, EVP_PKEY* signer, X509* issuer, const char* usage) {
    X509* certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -static_cast<long>(year));
    X509_gmtime_adj(X509_getm_notAfter(certificate), static_cast<long>(year));
    X509_set_pubkey(certificate, subject);
    // SAFETY: OpenSSL takes text as unsigned bytes.
    const auto* text = reinterpret_cast<const unsigned char*>(name);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, text, -1, -1, 0);
    X509_set_issuer_name(certificate,
                         X509_get_subject_name(issuer == nullptr ? certificate : issuer));
    X509_EXTENSION* extension =
        issuer == nullptr
            ? X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE")
            : X509V3_EXT_conf_nid(nullptr, nullptr, NID_ext_key_usage, usage);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    EXPECT_GT(X509_sign(certificate, signer, EVP_sha256()), 0);
    return certificate;
}

Bytes file(const std::string& name) {
    const std::string content = "the bytes of " + name;
    return {content.begin(), content.end()};
}

} // namespace

TestManufacturer::TestManufacturer()
    : key_{EVP_EC_gen("P-256")}, certificate_{
                                     certificate_for(key_, "maker", key_, nullptr, nullptr)} {}

TestManufacturer::~TestManufacturer() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
}

std::string TestManufacturer::pem() const {
    BIO* memory = BIO_new(BIO_s_mem());
    EXPECT_EQ(PEM_write_bio_X509(memory, certificate_), 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    std::string text{data, static_cast<usize>(size)};
    BIO_free(memory);
    return text;
}

Bytes TestManufacturer::certify(std::span<const u8> ek_public, const char* usage) const {
    EVP_PKEY* key = rsa_key(ek_public);
    X509* certificate = certificate_for(key, "endorsement key", key_, certificate_, usage);
    Bytes der(static_cast<usize>(i2d_X509(certificate, nullptr)));
    u8* out = der.data();
    i2d_X509(certificate, &out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return der;
}

i64 FactoryChannel::call(wire::control::Operation operation,
                         std::span<const u8> request,
                         std::span<u8> response) {
    if (operation == wire::control::Operation::tpm_submit) {
        answer_ = tpm_.execute(request);
        return 0;
    }
    std::ranges::copy(answer_, response.begin());
    return static_cast<i64>(answer_.size());
}

i64 FakePlatform::HypercallChannel::call(wire::control::Operation operation,
                                         std::span<const u8> request,
                                         std::span<u8> response) {
    return platform_.service_->handle(
        static_cast<u64>(operation), {DomainId{0}, "system"}, request, response);
}

FakePlatform::FakePlatform(const TestManufacturer& manufacturer)
    : firmware_log_{real_firmware_log()}, modules_{{"manifest", sample_manifest()},
                                                   {"dom0.kernel", file("kernel")},
                                                   {"dom0.initrd", file("initrd")}} {
    write_certificate(manufacturer);
    boot_firmware();
    launch();
}

void FakePlatform::write_certificate(const TestManufacturer& manufacturer) {
    FactoryChannel factory{software_};
    Bytes certificate;
    {
        auto tpm = PlatformTpm::open(factory);
        const auto area = tpm.value().endorsement_public();
        ASSERT_TRUE(area) << area.error();
        certificate = manufacturer.certify(area.value());
    }
    HypercallTcti tcti{factory};
    ESYS_CONTEXT* context = nullptr;
    ASSERT_EQ(Esys_Initialize(&context, tcti.context(), nullptr), TSS2_RC_SUCCESS);
    TPM2B_NV_PUBLIC index{};
    index.nvPublic.nvIndex = 0x01c00002;
    index.nvPublic.nameAlg = TPM2_ALG_SHA256;
    index.nvPublic.attributes = TPMA_NV_PPWRITE | TPMA_NV_PPREAD | TPMA_NV_OWNERREAD |
                                TPMA_NV_AUTHREAD | TPMA_NV_NO_DA | TPMA_NV_PLATFORMCREATE;
    index.nvPublic.dataSize = static_cast<UINT16>(certificate.size());
    const TPM2B_AUTH empty{};
    ESYS_TR handle = ESYS_TR_NONE;
    ASSERT_EQ(Esys_NV_DefineSpace(context,
                                  ESYS_TR_RH_PLATFORM,
                                  ESYS_TR_PASSWORD,
                                  ESYS_TR_NONE,
                                  ESYS_TR_NONE,
                                  &empty,
                                  &index,
                                  &handle),
              TSS2_RC_SUCCESS);
    TPM2B_MAX_NV_BUFFER data{};
    data.size = static_cast<UINT16>(certificate.size());
    std::ranges::copy(certificate, data.buffer);
    ASSERT_EQ(Esys_NV_Write(context,
                            ESYS_TR_RH_PLATFORM,
                            handle,
                            ESYS_TR_PASSWORD,
                            ESYS_TR_NONE,
                            ESYS_TR_NONE,
                            &data,
                            0),
              TSS2_RC_SUCCESS);
    Esys_Finalize(&context);
}

void FakePlatform::boot_firmware() {
    auto reader = wire::LogReader::open(firmware_log_).value();
    while (const auto event = reader.next().value()) {
        if (event->type == wire::EventType::no_action)
            continue;
        // TPM2_PCR_Extend of the SHA-256 bank with the empty password.
        Bytes command{0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0};
        command.push_back(static_cast<u8>(event->pcr.raw()));
        constexpr std::array<u8, 19> rest{
            0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x0b};
        command.insert(command.end(), rest.begin(), rest.end());
        const auto digest = *event->digest(wire::tpm::Algorithm::sha256);
        command.insert(command.end(), digest.begin(), digest.end());
        const auto response = software_.execute(command);
        ASSERT_EQ(response.at(9), 0);
    }
}

void FakePlatform::launch() {
    using hv::tpm::Measured;
    service_ = std::make_unique<hv::tpm::Service>(transport_, clock_, console_);
    service_->start({.bytes = firmware_log_}, "ravelin test");
    ASSERT_EQ(service_->verdict().launch(), wire::Launch::srtm) << service_->verdict().reason();
    service_->set_dma(wire::DmaState::is_protected);
    const auto measure = [&](Measured what, std::string_view name, std::span<const u8> bytes) {
        auto failure = service_->chain().measure(what, name, bytes);
        if (failure)
            std::move(*failure).run_unmeasured(service_->verdict());
    };
    const auto decoded = wire::Manifest::decode(modules_["manifest"]).value();
    const wire::ManifestDomain domain = decoded.domain(0);
    const Bytes command_line{domain.command_line.begin(), domain.command_line.end()};
    measure(Measured::manifest, "manifest", modules_["manifest"]);
    measure(Measured::kernel, "dom0", modules_["dom0.kernel"]);
    measure(Measured::ramdisk, "dom0", modules_["dom0.initrd"]);
    measure(Measured::command_line, "dom0", command_line);
    measure(Measured::configuration, "dom0", domain.record);
    auto failure = service_->chain().seal();
    if (failure)
        std::move(*failure).run_unmeasured(service_->verdict());
}

Reference FakePlatform::reference() const {
    // PCR 0-9 as the real firmware's log has them, PCR 12 from the modules alone.
    Reference reference = SamplePlatform{}.expectation({}).reference;
    const auto predicted = predict_launch(modules_);
    EXPECT_TRUE(predicted) << predicted.error();
    reference.events[12] = predicted.value().events;
    reference.manifest = predicted.value().manifest;
    return reference;
}

} // namespace ravelin::attest

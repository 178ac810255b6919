// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/endorsement.hpp"

#include "openssl_handle.hpp"

#include <crypto/sha.hpp>
#include <wire/tpm.hpp>

#include <algorithm>
#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace ravelin::attest {
namespace {

constexpr usize hash_size = 32;
constexpr usize aes_key_size = 16;
constexpr std::string_view identity_label{"IDENTITY\0", 9}; // the NUL is part of it

void append_sized(Bytes& out, std::span<const u8> bytes) {
    out.push_back(static_cast<u8>(bytes.size() >> 8));
    out.push_back(static_cast<u8>(bytes.size()));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes hmac(std::span<const u8> key, std::span<const u8> message) {
    Bytes out(hash_size);
    unsigned size = 0;
    HMAC(EVP_sha256(),
         key.data(),
         static_cast<int>(key.size()),
         message.data(),
         message.size(),
         out.data(),
         &size);
    return out;
}

/// KDFa with SHA-256 for at most one block. [part 1, 11.4.10.2]
Bytes kdfa(std::span<const u8> key, std::string_view label, std::span<const u8> context, u32 bits) {
    Bytes message{0, 0, 0, 1};
    message.insert(message.end(), label.begin(), label.end());
    message.push_back(0);
    message.insert(message.end(), context.begin(), context.end());
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        message.push_back(static_cast<u8>(bits >> shift));
    Bytes out = hmac(key, message);
    out.resize(bits / 8);
    return out;
}

Result<Bytes, std::string> encrypt_cfb(std::span<const u8> key, std::span<const u8> plain) {
    const std::array<u8, aes_key_size> zero_iv{};
    const Handle<EVP_CIPHER_CTX> context{EVP_CIPHER_CTX_new()};
    Bytes out(plain.size());
    int size = 0;
    if (!context ||
        EVP_EncryptInit_ex(
            context.get(), EVP_aes_128_cfb128(), nullptr, key.data(), zero_iv.data()) != 1 ||
        EVP_EncryptUpdate(
            context.get(), out.data(), &size, plain.data(), static_cast<int>(plain.size())) != 1 ||
        static_cast<usize>(size) != plain.size())
        return Failure{std::string{"AES-CFB failed"}};
    return out;
}

Result<Bytes, std::string> encrypt_oaep(EVP_PKEY* key, std::span<const u8> seed) {
    const Handle<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new(key, nullptr)};
    // OpenSSL frees the label.
    void* label = OPENSSL_memdup(identity_label.data(), identity_label.size());
    if (!context || label == nullptr || EVP_PKEY_encrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_CTX_set0_rsa_oaep_label(
            context.get(), label, static_cast<int>(identity_label.size())) != 1) {
        return Failure{std::string{"RSA-OAEP is not to be had"}};
    }
    usize size = 0;
    if (EVP_PKEY_encrypt(context.get(), nullptr, &size, seed.data(), seed.size()) != 1)
        return Failure{std::string{"RSA-OAEP failed"}};
    Bytes out(size);
    if (EVP_PKEY_encrypt(context.get(), out.data(), &size, seed.data(), seed.size()) != 1)
        return Failure{std::string{"RSA-OAEP failed"}};
    out.resize(size);
    return out;
}

/// The modulus of an RSA TPMT_PUBLIC: its last field. [part 2, 12.2.4]
std::span<const u8> modulus_of(std::span<const u8> public_area) {
    constexpr usize modulus_size = 256;
    constexpr auto rsa = static_cast<u16>(wire::tpm::Algorithm::rsa);
    if (public_area.size() < modulus_size + 4 || public_area[0] != rsa >> 8 ||
        public_area[1] != (rsa & 0xff))
        return {};
    const auto sized = public_area.last(modulus_size + 2);
    return sized[0] == modulus_size >> 8 && sized[1] == 0 ? sized.subspan(2)
                                                          : std::span<const u8>{};
}

bool is_key(EVP_PKEY* key, std::span<const u8> modulus) {
    BIGNUM* number = nullptr;
    if (modulus.empty() || EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &number) != 1)
        return false;
    Bytes bytes(modulus.size());
    const int size = BN_bn2binpad(number, bytes.data(), static_cast<int>(bytes.size()));
    BN_free(number);
    return size == static_cast<int>(bytes.size()) && std::ranges::equal(bytes, modulus);
}

/// tcg-kp-EKCertificate among its extended usages: a certificate for something else that the same
/// manufacturer made stands for no TPM. [EK Credential Profile 3.2.16]
bool is_for_endorsement(X509* certificate) {
    const Handle<ASN1_OBJECT> wanted{OBJ_txt2obj("2.23.133.8.1", 1)};
    const Handle<EXTENDED_KEY_USAGE> usages{static_cast<EXTENDED_KEY_USAGE*>(
        X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr))};
    for (int i = 0; usages && wanted && i < sk_ASN1_OBJECT_num(usages.get()); ++i)
        if (OBJ_cmp(sk_ASN1_OBJECT_value(usages.get(), i), wanted.get()) == 0)
            return true;
    return false;
}

Bytes fingerprint_of(EVP_PKEY* key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key, &der);
    if (size <= 0)
        return {};
    const auto digest =
        crypto::hash<crypto::Sha256>(std::span<const u8>{der, static_cast<usize>(size)});
    OPENSSL_free(der);
    return {digest.begin(), digest.end()};
}

} // namespace

struct Manufacturers::Store {
    Handle<X509_STORE> handle{X509_STORE_new()};
};

Manufacturers::Manufacturers() : store_{std::make_unique<Store>()} {}
Manufacturers::~Manufacturers() = default;
Manufacturers::Manufacturers(Manufacturers&&) noexcept = default;
Manufacturers& Manufacturers::operator=(Manufacturers&&) noexcept = default;

Status<std::string> Manufacturers::trust(const std::string& pem) {
    const Handle<BIO> text{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
    usize added = 0;
    while (text) {
        const Handle<X509> certificate{PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)};
        if (!certificate)
            break;
        if (X509_STORE_add_cert(store_->handle.get(), certificate.get()) != 1)
            return Failure{std::string{"a certificate that OpenSSL refuses"}};
        ++added;
    }
    if (added == 0)
        return Failure{std::string{"no certificate in PEM"}};
    return Unit{};
}

struct EndorsementKey::Key {
    Handle<EVP_PKEY> handle;
};

EndorsementKey::EndorsementKey() = default;
EndorsementKey::EndorsementKey(EndorsementKey&&) noexcept = default;
EndorsementKey& EndorsementKey::operator=(EndorsementKey&&) noexcept = default;
EndorsementKey::~EndorsementKey() = default;

Result<EndorsementKey, std::string> EndorsementKey::accept(std::span<const u8> certificate,
                                                           std::span<const u8> public_area,
                                                           const Manufacturers& manufacturers) {
    const unsigned char* in = certificate.data();
    const Handle<X509> decoded{d2i_X509(nullptr, &in, static_cast<long>(certificate.size()))};
    // An NV index may be larger than the certificate in it.
    if (!decoded)
        return Failure{std::string{"no X.509 certificate"}};
    const Handle<X509_STORE_CTX> context{X509_STORE_CTX_new()};
    if (!context ||
        X509_STORE_CTX_init(
            context.get(), manufacturers.store_->handle.get(), decoded.get(), nullptr) != 1)
        return Failure{std::string{"OpenSSL has no memory"}};
    if (X509_verify_cert(context.get()) != 1) {
        const int error = X509_STORE_CTX_get_error(context.get());
        return Failure{std::string{X509_verify_cert_error_string(error)}};
    }
    if (!is_for_endorsement(decoded.get()))
        return Failure{std::string{"the certificate is not one of an endorsement key"}};
    EndorsementKey key;
    key.key_ = std::make_unique<Key>();
    key.key_->handle.reset(X509_get_pubkey(decoded.get()));
    EVP_PKEY* handle = key.key_->handle.get();
    if (handle == nullptr || EVP_PKEY_is_a(handle, "RSA") != 1 || EVP_PKEY_get_bits(handle) != 2048)
        return Failure{std::string{"the certificate's key is not RSA with 2048 bits"}};
    if (!is_key(handle, modulus_of(public_area)))
        return Failure{std::string{"the TPM's endorsement key is not the certificate's"}};
    key.fingerprint_ = fingerprint_of(handle);
    return key;
}

Result<EndorsementKey::Credential, std::string>
EndorsementKey::make_credential(std::span<const u8> name, std::span<const u8> value) const {
    if (value.size() > hash_size)
        return Failure{std::string{"a credential is at most 32 bytes"}};
    Bytes seed(hash_size);
    if (RAND_bytes(seed.data(), static_cast<int>(seed.size())) != 1)
        return Failure{std::string{"no randomness"}};
    Credential credential;
    const Bytes secret = RAVELIN_TRY(encrypt_oaep(key_->handle.get(), seed));
    append_sized(credential.secret, secret);

    Bytes plain;
    append_sized(plain, value);
    const Bytes encrypted =
        RAVELIN_TRY(encrypt_cfb(kdfa(seed, "STORAGE", name, 8 * aes_key_size), plain));
    Bytes authenticated = encrypted;
    authenticated.insert(authenticated.end(), name.begin(), name.end());
    Bytes object;
    append_sized(object, hmac(kdfa(seed, "INTEGRITY", {}, 8 * hash_size), authenticated));
    object.insert(object.end(), encrypted.begin(), encrypted.end());
    append_sized(credential.blob, object);
    return credential;
}

Bytes name_of(std::span<const u8> public_area) {
    constexpr auto algorithm = static_cast<u16>(wire::tpm::Algorithm::sha256);
    Bytes name{algorithm >> 8, algorithm & 0xff};
    const auto digest = crypto::hash<crypto::Sha256>(public_area);
    name.insert(name.end(), digest.begin(), digest.end());
    return name;
}

} // namespace ravelin::attest

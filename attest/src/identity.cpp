// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/identity.hpp"

#include "openssl_handle.hpp"

#include <algorithm>
#include <fstream>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace ravelin::attest {
namespace {

namespace fs = std::filesystem;

constexpr long lifetime_seconds = 10L * 365 * 24 * 3600;
constexpr usize coordinate_size = 32;
constexpr auto readable =
    fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read;

bool add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Handle<X509_EXTENSION> extension{
        X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str())};
    return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_name(X509_NAME* name, const char* common_name) {
    // SAFETY: OpenSSL takes text as unsigned bytes.
    const auto* text = reinterpret_cast<const unsigned char*>(common_name);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1;
}

bool set_serial(X509* certificate) {
    std::array<unsigned char, 16> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
        return false;
    random[0] &= 0x7f;
    BIGNUM* number = BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr);
    const bool good = number != nullptr &&
                      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
    BN_free(number);
    return good;
}

/// An unsigned certificate for `key`, named `common_name`, issued by `issuer` (itself for a root).
Handle<X509> blank_certificate(EVP_PKEY* key, const char* common_name, X509* issuer) {
    Handle<X509> certificate{X509_new()};
    X509* raw = certificate.get();
    X509* by = issuer == nullptr ? raw : issuer;
    // A clock that is behind ours must not make the certificate "not yet valid".
    if (raw == nullptr || X509_set_version(raw, X509_VERSION_3) != 1 || !set_serial(raw) ||
        X509_gmtime_adj(X509_getm_notBefore(raw), -lifetime_seconds) == nullptr ||
        X509_gmtime_adj(X509_getm_notAfter(raw), lifetime_seconds) == nullptr ||
        X509_set_pubkey(raw, key) != 1 || !set_name(X509_get_subject_name(raw), common_name) ||
        X509_set_issuer_name(raw, X509_get_subject_name(by)) != 1)
        return nullptr;
    return certificate;
}

std::string alternative_names(const std::vector<std::string>& addresses) {
    std::string text;
    for (const std::string& address : addresses) {
        const bool numeric = address.find_first_not_of("0123456789.:abcdef") == std::string::npos &&
                             address.find_first_of(".:") != std::string::npos;
        text += (text.empty() ? "" : ",") + std::string{numeric ? "IP:" : "DNS:"} + address;
    }
    return text;
}

template <typename Write> bool write_pem(const fs::path& path, fs::perms permissions, Write write) {
    // The permissions are there before the secret is.
    std::ofstream{path}.close();
    fs::permissions(path, permissions);
    const Handle<BIO> file{BIO_new_file(path.c_str(), "w")};
    return file != nullptr && write(file.get()) == 1;
}

bool write_certificate(const fs::path& path, X509* certificate) {
    return write_pem(
        path, readable, [&](BIO* file) { return PEM_write_bio_X509(file, certificate); });
}

bool write_key(const fs::path& path, EVP_PKEY* key) {
    return write_pem(path, fs::perms::owner_read | fs::perms::owner_write, [&](BIO* file) {
        return PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
}

std::string base64url(std::span<const u8> bytes) {
    std::string text = to_base64(bytes);
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    text.erase(std::find(text.begin(), text.end(), '='), text.end());
    return text;
}

std::string base64url(std::string_view text) {
    const Bytes bytes{text.begin(), text.end()};
    return base64url(std::span{bytes});
}

} // namespace

IdentityFiles identity_files(const fs::path& directory) {
    return {directory / "ca.pem",
            directory / "server.pem",
            directory / "server-key.pem",
            directory / "token-key.pem",
            directory / "token-public.pem",
            directory / "verifier.sqlite"};
}

Status<std::string> make_identity(const fs::path& directory,
                                  const std::vector<std::string>& addresses) {
    const IdentityFiles files = identity_files(directory);
    if (fs::exists(files.ca))
        return Failure{directory.string() + " holds a verifier's identity already"};
    fs::create_directories(directory);
    const Handle<EVP_PKEY> ca_key{EVP_EC_gen("P-256")};
    const Handle<EVP_PKEY> server_key{EVP_EC_gen("P-256")};
    const Handle<EVP_PKEY> token_key{EVP_EC_gen("P-256")};
    const Handle<X509> ca = blank_certificate(ca_key.get(), "Ravelin verifier CA", nullptr);
    const Handle<X509> server =
        ca == nullptr ? nullptr : blank_certificate(server_key.get(), "Ravelin verifier", ca.get());
    const bool made =
        server != nullptr &&
        add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign") &&
        add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") &&
        X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0 &&
        add_extension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(server.get(), ca.get(), NID_key_usage, "critical,digitalSignature") &&
        add_extension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth") &&
        add_extension(server.get(), ca.get(), NID_subject_alt_name, alternative_names(addresses)) &&
        X509_sign(server.get(), ca_key.get(), EVP_sha256()) > 0;
    if (!made)
        return Failure{std::string{"OpenSSL cannot make these certificates"}};
    const bool written =
        write_key(files.key, server_key.get()) &&
        write_certificate(files.certificate, server.get()) &&
        write_key(files.token_key, token_key.get()) &&
        write_pem(files.token_public,
                  readable,
                  [&](BIO* file) { return PEM_write_bio_PUBKEY(file, token_key.get()); }) &&
        write_certificate(files.ca, ca.get());
    if (!written)
        return Failure{"cannot write to " + directory.string()};
    return Unit{};
}

struct TokenSigner::Key {
    Handle<EVP_PKEY> handle;
};

TokenSigner::TokenSigner() = default;
TokenSigner::TokenSigner(TokenSigner&&) noexcept = default;
TokenSigner& TokenSigner::operator=(TokenSigner&&) noexcept = default;
TokenSigner::~TokenSigner() = default;

Result<TokenSigner, std::string> TokenSigner::load(const fs::path& path) {
    const Handle<BIO> file{BIO_new_file(path.c_str(), "r")};
    TokenSigner signer;
    signer.key_ = std::make_unique<Key>();
    if (file)
        signer.key_->handle.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, nullptr));
    if (!signer.key_->handle)
        return Failure{path.string() + " holds no private key"};
    return signer;
}

Result<std::string, std::string> TokenSigner::sign(const std::string& claims) const {
    const std::string signing_input =
        base64url(std::string_view{R"({"alg":"ES256","typ":"JWT"})"}) + "." +
        base64url(std::string_view{claims});
    const Bytes message{signing_input.begin(), signing_input.end()};
    const Handle<EVP_MD_CTX> context{EVP_MD_CTX_new()};
    Bytes der(128);
    usize size = der.size();
    if (!context ||
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->handle.get()) !=
            1 ||
        EVP_DigestSign(context.get(), der.data(), &size, message.data(), message.size()) != 1)
        return Failure{std::string{"the token could not be signed"}};
    const u8* in = der.data();
    const Handle<ECDSA_SIG> parts{d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(size))};
    Bytes raw(2 * coordinate_size);
    if (!parts || BN_bn2binpad(ECDSA_SIG_get0_r(parts.get()), raw.data(), coordinate_size) < 0 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(parts.get()), raw.data() + coordinate_size, coordinate_size) <
            0)
        return Failure{std::string{"the token could not be signed"}};
    return signing_input + "." + base64url(std::span{raw});
}

} // namespace ravelin::attest

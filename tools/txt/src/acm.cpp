// SPDX-License-Identifier: Apache-2.0
// See the header. OpenSSL makes and checks the signatures.
#include "tools/txt/acm.hpp"

#include <base/cursor.hpp>
#include <crypto/sha.hpp>
#include <tools/server/error.hpp>

#include <algorithm>
#include <fstream>
#include <memory>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

namespace ravelin::tools::txt {
namespace {

template <auto release> struct Releaser {
    template <typename T> void operator()(T* object) const { release(object); }
};
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Releaser<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Releaser<BN_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Releaser<EVP_MD_CTX_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Releaser<OSSL_PARAM_free>>;
using ParameterBuilder = std::unique_ptr<OSSL_PARAM_BLD, Releaser<OSSL_PARAM_BLD_free>>;
using File = std::unique_ptr<FILE, Releaser<std::fclose>>;

constexpr u32 exponent = 17; // the only one of a module of version 0.0
constexpr std::size_t key_size = wire::Acm::key_size;
constexpr std::size_t module_size = 0x4000;
constexpr std::size_t header_size = 161 * 4;
constexpr std::size_t scratch_size = 143 * 4;
constexpr std::size_t key_offset = 128;
constexpr std::size_t signature_offset = key_offset + key_size + 4;

void require(bool success, const char* what) {
    if (!success)
        throw ServerError{std::string{"OpenSSL: "} + what};
}

Key make_key() {
    const KeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr)};
    const Number e{BN_new()};
    require(context && e && EVP_PKEY_keygen_init(context.get()) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), key_size * 8) == 1 &&
                BN_set_word(e.get(), exponent) == 1 &&
                EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), e.get()) == 1,
            "RSA key parameters");
    EVP_PKEY* key = nullptr;
    require(EVP_PKEY_generate(context.get(), &key) == 1, "RSA key");
    return Key{key};
}

Key read_key(const std::filesystem::path& path) {
    const File file{std::fopen(path.c_str(), "re")};
    if (!file)
        throw_errno(path.string());
    Key key{PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr)};
    require(key != nullptr, "no private key in the authority's file");
    return key;
}

/// The modulus as modules have it: least significant byte first.
Bytes modulus_of(const Key& key) {
    BIGNUM* raw = nullptr;
    require(EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_RSA_N, &raw) == 1, "RSA modulus");
    const Number modulus{raw};
    Bytes bytes(key_size);
    require(BN_bn2lebinpad(modulus.get(), bytes.data(), static_cast<int>(bytes.size())) > 0,
            "RSA modulus");
    return bytes;
}

Key public_key(std::span<const u8> modulus) {
    const Number n{BN_lebin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr)};
    const Number e{BN_new()};
    const ParameterBuilder builder{OSSL_PARAM_BLD_new()};
    require(n && e && builder && BN_set_word(e.get(), exponent) == 1 &&
                OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
                OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1,
            "RSA public key");
    const Parameters parameters{OSSL_PARAM_BLD_to_param(builder.get())};
    const KeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr)};
    EVP_PKEY* key = nullptr;
    if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return nullptr; // a hostile modulus
    return Key{key};
}

/// Writes a module's fixed parts; the rest of it is zero.
class ModuleWriter {
  public:
    explicit ModuleWriter(Bytes& module) : module_{module} {}
    template <typename... Fields> void put(std::size_t at, Fields... fields) {
        LittleWriter writer{std::span{module_}.subspan(at)};
        (writer.integer(fields), ...);
        ensure(writer.finish().is_ok(), "a module's field lies inside it");
    }

  private:
    Bytes& module_;
};

} // namespace

AcmAuthority::AcmAuthority(const std::filesystem::path& directory)
    : key_{directory / "acm-signing-key.pem"} {
    std::filesystem::create_directories(directory);
    if (std::filesystem::exists(key_))
        return;
    const Key key = make_key();
    const mode_t before = ::umask(0077);
    const File file{std::fopen(key_.c_str(), "wxe")};
    ::umask(before);
    if (!file)
        throw_errno(key_.string());
    require(PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
            "writing the authority's key");
}

std::array<u8, 32> AcmAuthority::key_hash() const {
    return crypto::hash<crypto::Sha256>(modulus_of(read_key(key_)));
}

Bytes AcmAuthority::make_sinit(u32 date) const {
    const Key key = read_key(key_);
    Bytes module(module_size);
    ModuleWriter write{module};
    // Type 2 (chipset), header version 0.0, no flags; security version 1.
    write.put(0, u16{2}, u16{0}, u32{header_size / 4}, u32{0}, chipset_device, u16{0});
    write.put(16, u32{chipset_vendor}, date, u32{module_size / 4}, u16{1}, u16{0}, u32{0}, u32{0});
    constexpr u32 descriptors = 0x600;
    constexpr u32 entry = 0x700;
    write.put(40, u32{3 * 8 - 1}, descriptors, u32{8}, entry);
    write.put(120, u32{key_size / 4}, u32{scratch_size / 4});
    const Bytes modulus = modulus_of(key);
    std::copy(modulus.begin(), modulus.end(), module.begin() + key_offset);
    write.put(key_offset + key_size, exponent);

    constexpr std::size_t table = header_size + scratch_size;
    constexpr u32 chipsets = 0x540;
    constexpr u32 processors = 0x560;
    constexpr u32 tpm = 0x580;
    const auto& id = wire::acm_information_id;
    std::copy(id.begin(), id.end(), module.begin() + table);
    constexpr u32 least_mle_version = 0x0002'0001;
    write.put(table + id.size(), u8{1}, u8{7}, u16{48}, chipsets, u32{7}, least_mle_version);
    write.put(table + id.size() + 16, sinit_capabilities, u32{1}, processors, tpm);
    write.put(chipsets, u32{1}, u32{0}, chipset_vendor, chipset_device, chipset_revision, u16{0});
    write.put(processors, u32{1}, u32{0}, u32{0}, u64{0}, u64{0}); // every processor
    constexpr u32 tpm20_with_both_policies = 3 | 2 << 2 | 1 << 6;
    write.put(tpm, tpm20_with_both_policies, u16{2}, u16{0x0004}, u16{0x000b});
    write.put(descriptors, u64{0}, u64{0x00cf'9b00'0000'ffff}, u64{0x00cf'9300'0000'ffff});
    write.put(entry, u16{0xfeeb}); // JMP to itself: nobody runs it

    const auto decoded = wire::decode_acm(module);
    ensure(decoded.is_ok(), "our own module decodes");
    const Bytes covered = measured_part(decoded.value());
    const DigestContext context{EVP_MD_CTX_new()};
    std::size_t size = key_size;
    Bytes signature(size);
    require(context &&
                EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
                EVP_DigestSign(
                    context.get(), signature.data(), &size, covered.data(), covered.size()) == 1 &&
                size == key_size,
            "signing the module");
    std::reverse_copy(signature.begin(), signature.end(), module.begin() + signature_offset);
    return module;
}

std::string_view text(AcmRefusal refusal) {
    switch (refusal) {
    case AcmRefusal::unrecognized_format:
        return "the module's format is not recognized";
    case AcmRefusal::authentication:
        return "the module is not authentic";
    case AcmRefusal::invalid_format:
        return "the module's format is invalid";
    }
    return "?";
}

Result<wire::Acm, AcmRefusal> authenticate_acm(std::span<const u8> module,
                                               const std::array<u8, 32>& key_hash) {
    const auto decoded = wire::decode_acm(module);
    if (!decoded)
        return Failure{decoded.error() == wire::AcmError::not_chipset ||
                               decoded.error() == wire::AcmError::unknown_version
                           ? AcmRefusal::unrecognized_format
                           : AcmRefusal::invalid_format};
    const wire::Acm& acm = decoded.value();
    if (acm.type != wire::AcmType::sinit || acm.entry >= module.size())
        return Failure{AcmRefusal::invalid_format};
    if (acm.public_exponent != exponent || crypto::hash<crypto::Sha256>(acm.public_key) != key_hash)
        return Failure{AcmRefusal::authentication};
    const Key key = public_key(acm.public_key);
    const Bytes covered = measured_part(acm);
    Bytes signature{acm.signature.rbegin(), acm.signature.rend()};
    const DigestContext context{EVP_MD_CTX_new()};
    if (!key || !context ||
        EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
        EVP_DigestVerify(
            context.get(), signature.data(), signature.size(), covered.data(), covered.size()) != 1)
        return Failure{AcmRefusal::authentication};
    return acm;
}

Bytes measured_part(const wire::Acm& acm) {
    Bytes covered{acm.signed_head.begin(), acm.signed_head.end()};
    covered.insert(covered.end(), acm.signed_rest.begin(), acm.signed_rest.end());
    return covered;
}

} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/quote.hpp"

#include "openssl_handle.hpp"

#include <base/cursor.hpp>
#include <crypto/sha.hpp>
#include <wire/attestation_key.hpp>

#include <algorithm>
#include <evidence/merkle.hpp>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>

namespace ravelin::attest {
namespace {

constexpr u32 tpm_generated = 0xff544347;
constexpr u16 attest_quote = 0x8018;

struct Decoder {
    BigReader reader;

    template <typename T> Result<T, QuoteError> number() {
        const auto value = reader.integer<T>();
        if (!value)
            return Failure{QuoteError::truncated};
        return value.value();
    }
    Result<std::span<const u8>, QuoteError> take(usize size) {
        const auto bytes = reader.bytes(size);
        if (!bytes)
            return Failure{QuoteError::truncated};
        return bytes.value();
    }
    /// A TPM2B: two bytes of size, then as many.
    Result<std::span<const u8>, QuoteError> sized() { return take(RAVELIN_TRY(number<u16>())); }
};

Result<u32, QuoteError> decode_selection(Decoder& decoder) {
    if (RAVELIN_TRY(decoder.number<u32>()) != 1 ||
        RAVELIN_TRY(decoder.number<u16>()) != static_cast<u16>(wire::tpm::Algorithm::sha256))
        return Failure{QuoteError::bad_selection};
    const u8 size = RAVELIN_TRY(decoder.number<u8>());
    if (size > 4)
        return Failure{QuoteError::bad_selection};
    u32 set = 0;
    const auto octets = RAVELIN_TRY(decoder.take(size));
    for (usize i = 0; i < octets.size(); ++i)
        set |= u32{octets[i]} << (8 * i);
    return set;
}

/// The key's public point as OpenSSL wants it: 04 ‖ x ‖ y.
Bytes point_of(std::span<const u8> ak_public) {
    constexpr usize x = wire::attestation_key::prefix_size + 2;
    constexpr usize y = x + 32 + 2;
    Bytes point{4};
    const auto append = [&](usize at) {
        const auto part = ak_public.subspan(at, 32);
        point.insert(point.end(), part.begin(), part.end());
    };
    append(x);
    append(y);
    return point;
}

Handle<EVP_PKEY> key_of(std::span<const u8> ak_public) {
    const Bytes point = point_of(ak_public);
    const Handle<OSSL_PARAM_BLD> builder{OSSL_PARAM_BLD_new()};
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(
        builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    const Handle<OSSL_PARAM> parameters{OSSL_PARAM_BLD_to_param(builder.get())};
    const Handle<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
        return {};
    return Handle<EVP_PKEY>{key};
}

/// TPMT_SIGNATURE of ECDSA as DER; empty when it is something else.
Bytes der_signature(std::span<const u8> signature) {
    const auto decode = [&]() -> Result<Bytes, QuoteError> {
        Decoder decoder{BigReader{signature}};
        if (RAVELIN_TRY(decoder.number<u16>()) != static_cast<u16>(wire::tpm::Algorithm::ecdsa) ||
            RAVELIN_TRY(decoder.number<u16>()) != static_cast<u16>(wire::tpm::Algorithm::sha256))
            return Failure{QuoteError::not_a_quote};
        const auto r = RAVELIN_TRY(decoder.sized());
        const auto s = RAVELIN_TRY(decoder.sized());
        if (!decoder.reader.expect_end() || r.size() > 32 || s.size() > 32)
            return Failure{QuoteError::trailing};
        const Handle<ECDSA_SIG> parts{ECDSA_SIG_new()};
        ECDSA_SIG_set0(parts.get(),
                       BN_bin2bn(r.data(), static_cast<int>(r.size()), nullptr),
                       BN_bin2bn(s.data(), static_cast<int>(s.size()), nullptr));
        Bytes der(static_cast<usize>(i2d_ECDSA_SIG(parts.get(), nullptr)));
        u8* out = der.data();
        i2d_ECDSA_SIG(parts.get(), &out);
        return der;
    };
    return decode().value_or(Bytes{});
}

std::string pcr_list(u32 set) {
    std::string text;
    for (unsigned pcr = 0; pcr < 32; ++pcr)
        if ((set >> pcr & 1) != 0)
            text += (text.empty() ? "" : ",") + std::to_string(pcr);
    return text;
}

Digest composite(const std::map<unsigned, Digest>& pcrs) {
    crypto::Sha256 hash;
    for (const auto& [pcr, value] : pcrs)
        hash.update(value);
    return hash.finish();
}

u32 set_of(const std::map<unsigned, Digest>& pcrs) {
    u32 set = 0;
    for (const auto& [pcr, value] : pcrs)
        set |= 1U << pcr;
    return set;
}

} // namespace

Result<AttestedQuote, QuoteError> decode_quote(std::span<const u8> attest) {
    Decoder decoder{BigReader{attest}};
    if (RAVELIN_TRY(decoder.number<u32>()) != tpm_generated ||
        RAVELIN_TRY(decoder.number<u16>()) != attest_quote)
        return Failure{QuoteError::not_a_quote};
    static_cast<void>(RAVELIN_TRY(decoder.sized())); // qualifiedSigner
    const auto extra = RAVELIN_TRY(decoder.sized());
    AttestedQuote quote{};
    quote.qualifying_data.assign(extra.begin(), extra.end());
    quote.clock = RAVELIN_TRY(decoder.number<u64>());
    quote.reset_count = RAVELIN_TRY(decoder.number<u32>());
    static_cast<void>(RAVELIN_TRY(decoder.number<u32>())); // restartCount
    static_cast<void>(RAVELIN_TRY(decoder.number<u8>()));  // safe
    static_cast<void>(RAVELIN_TRY(decoder.number<u64>())); // firmwareVersion
    quote.pcr_set = RAVELIN_TRY(decode_selection(decoder));
    const auto digest = RAVELIN_TRY(decoder.sized());
    if (digest.size() != quote.pcr_digest.size())
        return Failure{QuoteError::bad_digest};
    std::copy(digest.begin(), digest.end(), quote.pcr_digest.begin());
    if (!decoder.reader.expect_end())
        return Failure{QuoteError::trailing};
    return quote;
}

bool signature_holds(std::span<const u8> ak_public,
                     std::span<const u8> message,
                     std::span<const u8> signature) {
    const Bytes der = der_signature(signature);
    if (der.empty() || wire::attestation_key::template_of(ak_public) == nullptr)
        return false;
    const Handle<EVP_PKEY> key = key_of(ak_public);
    const Handle<EVP_MD_CTX> context{EVP_MD_CTX_new()};
    return key != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(
               context.get(), der.data(), der.size(), message.data(), message.size()) == 1;
}

std::optional<QuotedPcrs> QuotedPcrs::confirm(const Evidence& evidence,
                                              std::span<const u8> ak_public,
                                              wire::Launch launch,
                                              Verdict& verdict) {
    const bool drtm = launch == wire::Launch::drtm;
    const u32 wanted = drtm ? drtm_pcrs : srtm_pcrs;
    namespace ak = wire::attestation_key;
    const ak::Template& key = drtm ? ak::ak_d : ak::ak_s;
    const std::size_t before = verdict.checks().size();
    const auto add = [&](const char* id, bool good, const char* expected, const char* otherwise) {
        if (good)
            verdict.pass(id, expected);
        else
            verdict.fail(id, expected, otherwise, "quote");
    };
    add("quote.key",
        key.matches(ak_public),
        drtm ? "AK-D of the exact template" : "AK-S of the exact template",
        "a key of another template");
    add("quote.signature",
        signature_holds(ak_public, evidence.quote, evidence.signature),
        "a signature of the enrolled attestation key",
        "a signature that does not hold for these bytes");
    const auto decoded = decode_quote(evidence.quote);
    if (!decoded) {
        verdict.fail("quote.form", "a TPM's quote", "bytes that do not decode", "quote");
        return std::nullopt;
    }
    const AttestedQuote& quote = decoded.value();
    verdict.compare("quote.pcrs", pcr_list(wanted), pcr_list(quote.pcr_set));
    verdict.compare("quote.values", pcr_list(wanted), pcr_list(set_of(evidence.pcrs)));
    verdict.compare(
        "quote.composite", to_hex(quote.pcr_digest), to_hex(composite(evidence.pcrs)), "pcrs");
    const auto root = evidence::root_of(
        evidence::leaf(evidence.statement), evidence.index, evidence.count, evidence.path);
    verdict.compare("quote.statement",
                    root ? to_hex(evidence::qualifying_data(evidence.count, *root))
                         : "an inclusion path of the right length",
                    to_hex(quote.qualifying_data),
                    "statement");
    for (std::size_t i = before; i < verdict.checks().size(); ++i)
        if (verdict.checks()[i].outcome == Outcome::failed)
            return std::nullopt;
    return QuotedPcrs{evidence.pcrs};
}

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// See the header. ESYS throughout; every object and session is flushed when its guard goes.
#include "attest/platform_tpm.hpp"

#include <wire/attestation_key.hpp>

#include <algorithm>
#include <array>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

namespace ravelin::attest {
namespace {

constexpr TPM2_HANDLE certificate_index = 0x01c00002;
/// Where domain 0 finds AK-S, in its own numbering of handles.
constexpr TPM2_HANDLE virtual_attestation_key = 0x80fffffe;
constexpr usize nv_piece = 512;

/// PolicySecret(TPM_RH_ENDORSEMENT): the default template's policy. [EK Credential Profile, B.6.2]
constexpr std::array<u8, 32> endorsement_policy{
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};

struct FreeMemory {
    void operator()(void* memory) const { Esys_Free(memory); }
};
template <typename T> using Owned = std::unique_ptr<T, FreeMemory>;

Failure<std::string> failed(const char* what, TSS2_RC code) {
    return Failure{std::string{what} + ": " + Tss2_RC_Decode(code)};
}

/// The default template L-1: RSA 2048, restricted decryption. [EK Credential Profile, B.3.3]
TPM2B_PUBLIC endorsement_template() {
    TPM2B_PUBLIC area{};
    TPMT_PUBLIC& key = area.publicArea;
    key.type = TPM2_ALG_RSA;
    key.nameAlg = TPM2_ALG_SHA256;
    key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY |
                           TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    key.authPolicy.size = static_cast<UINT16>(endorsement_policy.size());
    std::ranges::copy(endorsement_policy, key.authPolicy.buffer);
    key.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_AES;
    key.parameters.rsaDetail.symmetric.keyBits.aes = 128;
    key.parameters.rsaDetail.symmetric.mode.aes = TPM2_ALG_CFB;
    key.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    key.parameters.rsaDetail.keyBits = 2048;
    key.unique.rsa.size = 256;
    return area;
}

Result<Bytes, std::string> marshalled(const TPMT_PUBLIC& area) {
    Bytes bytes(sizeof(TPMT_PUBLIC));
    size_t size = 0;
    const TSS2_RC code = Tss2_MU_TPMT_PUBLIC_Marshal(&area, bytes.data(), bytes.size(), &size);
    if (code != TSS2_RC_SUCCESS)
        return failed("marshalling a public area", code);
    bytes.resize(size);
    return bytes;
}

/// An object or session in the TPM, gone when this goes.
class Resource {
  public:
    Resource() = default;
    Resource(ESYS_CONTEXT* context, ESYS_TR handle) : context_{context}, handle_{handle} {}
    Resource(Resource&& other) noexcept
        : context_{other.context_}, handle_{std::exchange(other.handle_, ESYS_TR_NONE)} {}
    Resource& operator=(Resource&& other) noexcept {
        std::swap(context_, other.context_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Resource() {
        if (handle_ != ESYS_TR_NONE)
            Esys_FlushContext(context_, handle_);
    }
    [[nodiscard]] ESYS_TR handle() const { return handle_; }

  private:
    ESYS_CONTEXT* context_{nullptr};
    ESYS_TR handle_{ESYS_TR_NONE};
};

/// What ESYS knows of something that is not ours to flush.
class Reference {
  public:
    Reference(ESYS_CONTEXT* context, ESYS_TR handle) : context_{context}, handle_{handle} {}
    ~Reference() { Esys_TR_Close(context_, &handle_); }
    Reference(const Reference&) = delete;
    Reference& operator=(const Reference&) = delete;
    [[nodiscard]] ESYS_TR handle() const { return handle_; }

  private:
    ESYS_CONTEXT* context_;
    ESYS_TR handle_;
};

Result<Resource, std::string> policy_session(ESYS_CONTEXT* context) {
    constexpr TPMT_SYM_DEF no_encryption{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};
    ESYS_TR session = ESYS_TR_NONE;
    const TSS2_RC code = Esys_StartAuthSession(context,
                                               ESYS_TR_NONE,
                                               ESYS_TR_NONE,
                                               ESYS_TR_NONE,
                                               ESYS_TR_NONE,
                                               ESYS_TR_NONE,
                                               nullptr,
                                               TPM2_SE_POLICY,
                                               &no_encryption,
                                               TPM2_ALG_SHA256,
                                               &session);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_StartAuthSession", code);
    return Resource{context, session};
}

TPM2B_DIGEST digest_of(std::span<const u8> bytes) {
    TPM2B_DIGEST digest{};
    digest.size = static_cast<UINT16>(bytes.size());
    std::ranges::copy(bytes, digest.buffer);
    return digest;
}

/// AK-S and AK-D: PolicyCommandCode(ActivateCredential), then that branch of the key's PolicyOR.
Result<Resource, std::string> attestation_session(ESYS_CONTEXT* context,
                                                  const wire::attestation_key::Template& key) {
    Resource session = RAVELIN_TRY(policy_session(context));
    TSS2_RC code = Esys_PolicyCommandCode(context,
                                          session.handle(),
                                          ESYS_TR_NONE,
                                          ESYS_TR_NONE,
                                          ESYS_TR_NONE,
                                          TPM2_CC_ActivateCredential);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_PolicyCommandCode", code);
    TPML_DIGEST branches{};
    branches.count = 2;
    branches.digests[0] = digest_of(key.quote_policy);
    branches.digests[1] = digest_of(wire::attestation_key::activate_policy);
    code = Esys_PolicyOR(
        context, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &branches);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_PolicyOR", code);
    return session;
}

/// The EK: PolicySecret(endorsement hierarchy), whose authorisation is empty.
Result<Resource, std::string> endorsement_session(ESYS_CONTEXT* context) {
    Resource session = RAVELIN_TRY(policy_session(context));
    const TSS2_RC code = Esys_PolicySecret(context,
                                           ESYS_TR_RH_ENDORSEMENT,
                                           session.handle(),
                                           ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE,
                                           ESYS_TR_NONE,
                                           nullptr,
                                           nullptr,
                                           nullptr,
                                           0,
                                           nullptr,
                                           nullptr);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_PolicySecret", code);
    return session;
}

} // namespace

struct PlatformTpm::Esys {
    explicit Esys(ControlChannel& channel) : tcti{channel} {}
    ~Esys() {
        endorsement = {};
        Esys_Finalize(&context);
    }
    Esys(const Esys&) = delete;
    Esys& operator=(const Esys&) = delete;

    HypercallTcti tcti;
    ESYS_CONTEXT* context{nullptr};
    Resource endorsement;
    Bytes endorsement_area;
};

PlatformTpm::PlatformTpm() = default;
PlatformTpm::PlatformTpm(PlatformTpm&&) noexcept = default;
PlatformTpm& PlatformTpm::operator=(PlatformTpm&&) noexcept = default;
PlatformTpm::~PlatformTpm() = default;

Result<PlatformTpm, std::string> PlatformTpm::open(ControlChannel& channel) {
    PlatformTpm tpm;
    tpm.esys_ = std::make_unique<Esys>(channel);
    const TSS2_RC code = Esys_Initialize(&tpm.esys_->context, tpm.esys_->tcti.context(), nullptr);
    if (code != TSS2_RC_SUCCESS)
        return failed("ESYS", code);
    return tpm;
}

Result<Bytes, std::string> PlatformTpm::endorsement_certificate() {
    ESYS_CONTEXT* context = esys_->context;
    ESYS_TR raw = ESYS_TR_NONE;
    TSS2_RC code = Esys_TR_FromTPMPublic(
        context, certificate_index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw);
    if (code != TSS2_RC_SUCCESS)
        return failed("the endorsement key's certificate (NV 0x01c00002)", code);
    const Reference index{context, raw};
    TPM2B_NV_PUBLIC* description = nullptr;
    code = Esys_NV_ReadPublic(
        context, index.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &description, nullptr);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_NV_ReadPublic", code);
    const Owned<TPM2B_NV_PUBLIC> owned{description};
    const usize size = description->nvPublic.dataSize;
    Bytes certificate;
    while (certificate.size() < size) {
        TPM2B_MAX_NV_BUFFER* piece = nullptr;
        code = Esys_NV_Read(context,
                            index.handle(),
                            index.handle(),
                            ESYS_TR_PASSWORD,
                            ESYS_TR_NONE,
                            ESYS_TR_NONE,
                            static_cast<UINT16>(std::min(nv_piece, size - certificate.size())),
                            static_cast<UINT16>(certificate.size()),
                            &piece);
        if (code != TSS2_RC_SUCCESS)
            return failed("TPM2_NV_Read", code);
        const Owned<TPM2B_MAX_NV_BUFFER> read{piece};
        if (piece->size == 0)
            return Failure{std::string{"TPM2_NV_Read: nothing"}};
        certificate.insert(certificate.end(), piece->buffer, piece->buffer + piece->size);
    }
    return certificate;
}

Result<Bytes, std::string> PlatformTpm::endorsement_public() {
    if (!esys_->endorsement_area.empty())
        return esys_->endorsement_area;
    const TPM2B_PUBLIC area = endorsement_template();
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION no_pcrs{};
    ESYS_TR handle = ESYS_TR_NONE;
    TPM2B_PUBLIC* made = nullptr;
    const TSS2_RC code = Esys_CreatePrimary(esys_->context,
                                            ESYS_TR_RH_ENDORSEMENT,
                                            ESYS_TR_PASSWORD,
                                            ESYS_TR_NONE,
                                            ESYS_TR_NONE,
                                            &sensitive,
                                            &area,
                                            &outside,
                                            &no_pcrs,
                                            &handle,
                                            &made,
                                            nullptr,
                                            nullptr,
                                            nullptr);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_CreatePrimary of the endorsement key", code);
    const Owned<TPM2B_PUBLIC> owned{made};
    esys_->endorsement = Resource{esys_->context, handle};
    esys_->endorsement_area = RAVELIN_TRY(marshalled(made->publicArea));
    return esys_->endorsement_area;
}

Result<Bytes, std::string> PlatformTpm::attestation_public() {
    ESYS_CONTEXT* context = esys_->context;
    ESYS_TR raw = ESYS_TR_NONE;
    TSS2_RC code = Esys_TR_FromTPMPublic(
        context, virtual_attestation_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw);
    if (code != TSS2_RC_SUCCESS)
        return failed("the hypervisor's attestation key", code);
    const Reference key{context, raw};
    TPM2B_PUBLIC* area = nullptr;
    code = Esys_ReadPublic(
        context, key.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area, nullptr, nullptr);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_ReadPublic of the attestation key", code);
    const Owned<TPM2B_PUBLIC> owned{area};
    return marshalled(area->publicArea);
}

Result<Bytes, std::string> PlatformTpm::activate_credential(std::span<const u8> blob,
                                                            std::span<const u8> secret) {
    ESYS_CONTEXT* context = esys_->context;
    (void)RAVELIN_TRY(endorsement_public());
    TPM2B_ID_OBJECT object{};
    TPM2B_ENCRYPTED_SECRET encrypted{};
    size_t offset = 0;
    TSS2_RC code = Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(blob.data(), blob.size(), &offset, &object);
    if (code != TSS2_RC_SUCCESS || offset != blob.size())
        return Failure{std::string{"the verifier's credential is malformed"}};
    offset = 0;
    code =
        Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(secret.data(), secret.size(), &offset, &encrypted);
    if (code != TSS2_RC_SUCCESS || offset != secret.size())
        return Failure{std::string{"the verifier's secret is malformed"}};

    // Before the key is opened here: reading it closes it.
    const auto* made_from = wire::attestation_key::template_of(RAVELIN_TRY(attestation_public()));
    if (made_from == nullptr)
        return Failure{std::string{"the attestation key is of no template of Ravelin's"}};

    ESYS_TR raw = ESYS_TR_NONE;
    code = Esys_TR_FromTPMPublic(
        context, virtual_attestation_key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw);
    if (code != TSS2_RC_SUCCESS)
        return failed("the hypervisor's attestation key", code);
    const Reference key{context, raw};
    const Resource for_key = RAVELIN_TRY(attestation_session(context, *made_from));
    const Resource for_endorsement = RAVELIN_TRY(endorsement_session(context));
    TPM2B_DIGEST* value = nullptr;
    code = Esys_ActivateCredential(context,
                                   key.handle(),
                                   esys_->endorsement.handle(),
                                   for_key.handle(),
                                   for_endorsement.handle(),
                                   ESYS_TR_NONE,
                                   &object,
                                   &encrypted,
                                   &value);
    if (code != TSS2_RC_SUCCESS)
        return failed("TPM2_ActivateCredential", code);
    const Owned<TPM2B_DIGEST> owned{value};
    return Bytes{value->buffer, value->buffer + value->size};
}

} // namespace ravelin::attest

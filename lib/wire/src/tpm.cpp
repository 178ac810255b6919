// SPDX-License-Identifier: Apache-2.0
// Response framing, and the specification's names of commands and response codes.
#include "wire/tpm.hpp"

namespace ravelin::wire::tpm {

namespace {

struct Name {
    u32 code;
    std::string_view text;
};

// [part 2, 6.5.2]
constexpr Name command_names[] = {
    {0x11f, "TPM2_NV_UndefineSpaceSpecial"},
    {0x120, "TPM2_EvictControl"},
    {0x121, "TPM2_HierarchyControl"},
    {0x122, "TPM2_NV_UndefineSpace"},
    {0x124, "TPM2_ChangeEPS"},
    {0x125, "TPM2_ChangePPS"},
    {0x126, "TPM2_Clear"},
    {0x127, "TPM2_ClearControl"},
    {0x128, "TPM2_ClockSet"},
    {0x129, "TPM2_HierarchyChangeAuth"},
    {0x12a, "TPM2_NV_DefineSpace"},
    {0x12b, "TPM2_PCR_Allocate"},
    {0x12c, "TPM2_PCR_SetAuthPolicy"},
    {0x12d, "TPM2_PP_Commands"},
    {0x12e, "TPM2_SetPrimaryPolicy"},
    {0x12f, "TPM2_FieldUpgradeStart"},
    {0x130, "TPM2_ClockRateAdjust"},
    {0x131, "TPM2_CreatePrimary"},
    {0x132, "TPM2_NV_GlobalWriteLock"},
    {0x133, "TPM2_GetCommandAuditDigest"},
    {0x134, "TPM2_NV_Increment"},
    {0x135, "TPM2_NV_SetBits"},
    {0x136, "TPM2_NV_Extend"},
    {0x137, "TPM2_NV_Write"},
    {0x138, "TPM2_NV_WriteLock"},
    {0x139, "TPM2_DictionaryAttackLockReset"},
    {0x13a, "TPM2_DictionaryAttackParameters"},
    {0x13b, "TPM2_NV_ChangeAuth"},
    {0x13c, "TPM2_PCR_Event"},
    {0x13d, "TPM2_PCR_Reset"},
    {0x13e, "TPM2_SequenceComplete"},
    {0x13f, "TPM2_SetAlgorithmSet"},
    {0x140, "TPM2_SetCommandCodeAuditStatus"},
    {0x141, "TPM2_FieldUpgradeData"},
    {0x142, "TPM2_IncrementalSelfTest"},
    {0x143, "TPM2_SelfTest"},
    {0x144, "TPM2_Startup"},
    {0x145, "TPM2_Shutdown"},
    {0x146, "TPM2_StirRandom"},
    {0x147, "TPM2_ActivateCredential"},
    {0x148, "TPM2_Certify"},
    {0x149, "TPM2_PolicyNV"},
    {0x14a, "TPM2_CertifyCreation"},
    {0x14b, "TPM2_Duplicate"},
    {0x14c, "TPM2_GetTime"},
    {0x14d, "TPM2_GetSessionAuditDigest"},
    {0x14e, "TPM2_NV_Read"},
    {0x14f, "TPM2_NV_ReadLock"},
    {0x150, "TPM2_ObjectChangeAuth"},
    {0x151, "TPM2_PolicySecret"},
    {0x152, "TPM2_Rewrap"},
    {0x153, "TPM2_Create"},
    {0x154, "TPM2_ECDH_ZGen"},
    {0x155, "TPM2_HMAC"},
    {0x156, "TPM2_Import"},
    {0x157, "TPM2_Load"},
    {0x158, "TPM2_Quote"},
    {0x159, "TPM2_RSA_Decrypt"},
    {0x15b, "TPM2_HMAC_Start"},
    {0x15c, "TPM2_SequenceUpdate"},
    {0x15d, "TPM2_Sign"},
    {0x15e, "TPM2_Unseal"},
    {0x160, "TPM2_PolicySigned"},
    {0x161, "TPM2_ContextLoad"},
    {0x162, "TPM2_ContextSave"},
    {0x163, "TPM2_ECDH_KeyGen"},
    {0x164, "TPM2_EncryptDecrypt"},
    {0x165, "TPM2_FlushContext"},
    {0x167, "TPM2_LoadExternal"},
    {0x168, "TPM2_MakeCredential"},
    {0x169, "TPM2_NV_ReadPublic"},
    {0x16a, "TPM2_PolicyAuthorize"},
    {0x16b, "TPM2_PolicyAuthValue"},
    {0x16c, "TPM2_PolicyCommandCode"},
    {0x16d, "TPM2_PolicyCounterTimer"},
    {0x16e, "TPM2_PolicyCpHash"},
    {0x16f, "TPM2_PolicyLocality"},
    {0x170, "TPM2_PolicyNameHash"},
    {0x171, "TPM2_PolicyOR"},
    {0x172, "TPM2_PolicyTicket"},
    {0x173, "TPM2_ReadPublic"},
    {0x174, "TPM2_RSA_Encrypt"},
    {0x176, "TPM2_StartAuthSession"},
    {0x177, "TPM2_VerifySignature"},
    {0x178, "TPM2_ECC_Parameters"},
    {0x179, "TPM2_FirmwareRead"},
    {0x17a, "TPM2_GetCapability"},
    {0x17b, "TPM2_GetRandom"},
    {0x17c, "TPM2_GetTestResult"},
    {0x17d, "TPM2_Hash"},
    {0x17e, "TPM2_PCR_Read"},
    {0x17f, "TPM2_PolicyPCR"},
    {0x180, "TPM2_PolicyRestart"},
    {0x181, "TPM2_ReadClock"},
    {0x182, "TPM2_PCR_Extend"},
    {0x183, "TPM2_PCR_SetAuthValue"},
    {0x184, "TPM2_NV_Certify"},
    {0x185, "TPM2_EventSequenceComplete"},
    {0x186, "TPM2_HashSequenceStart"},
    {0x187, "TPM2_PolicyPhysicalPresence"},
    {0x188, "TPM2_PolicyDuplicationSelect"},
    {0x189, "TPM2_PolicyGetDigest"},
    {0x18a, "TPM2_TestParms"},
    {0x18b, "TPM2_Commit"},
    {0x18c, "TPM2_PolicyPassword"},
    {0x18d, "TPM2_ZGen_2Phase"},
    {0x18e, "TPM2_EC_Ephemeral"},
    {0x18f, "TPM2_PolicyNvWritten"},
    {0x190, "TPM2_PolicyTemplate"},
    {0x191, "TPM2_CreateLoaded"},
    {0x192, "TPM2_PolicyAuthorizeNV"},
    {0x193, "TPM2_EncryptDecrypt2"},
    {0x194, "TPM2_AC_GetCapability"},
    {0x195, "TPM2_AC_Send"},
    {0x196, "TPM2_Policy_AC_SendSelect"},
    {0x197, "TPM2_CertifyX509"},
    {0x198, "TPM2_ACT_SetTimeout"},
};

// [part 2, 6.6.3]
constexpr Name response_names[] = {
    {0x000, "TPM_RC_SUCCESS"},
    {0x100, "TPM_RC_INITIALIZE"},
    {0x101, "TPM_RC_FAILURE"},
    {0x103, "TPM_RC_SEQUENCE"},
    {0x10b, "TPM_RC_PRIVATE"},
    {0x119, "TPM_RC_HMAC"},
    {0x120, "TPM_RC_DISABLED"},
    {0x121, "TPM_RC_EXCLUSIVE"},
    {0x124, "TPM_RC_AUTH_TYPE"},
    {0x125, "TPM_RC_AUTH_MISSING"},
    {0x126, "TPM_RC_POLICY"},
    {0x127, "TPM_RC_PCR"},
    {0x128, "TPM_RC_PCR_CHANGED"},
    {0x12d, "TPM_RC_UPGRADE"},
    {0x12e, "TPM_RC_TOO_MANY_CONTEXTS"},
    {0x12f, "TPM_RC_AUTH_UNAVAILABLE"},
    {0x130, "TPM_RC_REBOOT"},
    {0x131, "TPM_RC_UNBALANCED"},
    {0x142, "TPM_RC_COMMAND_SIZE"},
    {0x143, "TPM_RC_COMMAND_CODE"},
    {0x144, "TPM_RC_AUTHSIZE"},
    {0x145, "TPM_RC_AUTH_CONTEXT"},
    {0x146, "TPM_RC_NV_RANGE"},
    {0x147, "TPM_RC_NV_SIZE"},
    {0x148, "TPM_RC_NV_LOCKED"},
    {0x149, "TPM_RC_NV_AUTHORIZATION"},
    {0x14a, "TPM_RC_NV_UNINITIALIZED"},
    {0x14b, "TPM_RC_NV_SPACE"},
    {0x14c, "TPM_RC_NV_DEFINED"},
    {0x150, "TPM_RC_BAD_CONTEXT"},
    {0x151, "TPM_RC_CPHASH"},
    {0x152, "TPM_RC_PARENT"},
    {0x153, "TPM_RC_NEEDS_TEST"},
    {0x154, "TPM_RC_NO_RESULT"},
    {0x155, "TPM_RC_SENSITIVE"},
    {0x081, "TPM_RC_ASYMMETRIC"},
    {0x082, "TPM_RC_ATTRIBUTES"},
    {0x083, "TPM_RC_HASH"},
    {0x084, "TPM_RC_VALUE"},
    {0x085, "TPM_RC_HIERARCHY"},
    {0x087, "TPM_RC_KEY_SIZE"},
    {0x088, "TPM_RC_MGF"},
    {0x089, "TPM_RC_MODE"},
    {0x08a, "TPM_RC_TYPE"},
    {0x08b, "TPM_RC_HANDLE"},
    {0x08c, "TPM_RC_KDF"},
    {0x08d, "TPM_RC_RANGE"},
    {0x08e, "TPM_RC_AUTH_FAIL"},
    {0x08f, "TPM_RC_NONCE"},
    {0x090, "TPM_RC_PP"},
    {0x092, "TPM_RC_SCHEME"},
    {0x095, "TPM_RC_SIZE"},
    {0x096, "TPM_RC_SYMMETRIC"},
    {0x097, "TPM_RC_TAG"},
    {0x098, "TPM_RC_SELECTOR"},
    {0x09a, "TPM_RC_INSUFFICIENT"},
    {0x09b, "TPM_RC_SIGNATURE"},
    {0x09c, "TPM_RC_KEY"},
    {0x09d, "TPM_RC_POLICY_FAIL"},
    {0x09f, "TPM_RC_INTEGRITY"},
    {0x0a0, "TPM_RC_TICKET"},
    {0x0a1, "TPM_RC_RESERVED_BITS"},
    {0x0a2, "TPM_RC_BAD_AUTH"},
    {0x0a3, "TPM_RC_EXPIRED"},
    {0x0a4, "TPM_RC_POLICY_CC"},
    {0x0a5, "TPM_RC_BINDING"},
    {0x0a6, "TPM_RC_CURVE"},
    {0x0a7, "TPM_RC_ECC_POINT"},
    {0x901, "TPM_RC_CONTEXT_GAP"},
    {0x902, "TPM_RC_OBJECT_MEMORY"},
    {0x903, "TPM_RC_SESSION_MEMORY"},
    {0x904, "TPM_RC_MEMORY"},
    {0x905, "TPM_RC_SESSION_HANDLES"},
    {0x906, "TPM_RC_OBJECT_HANDLES"},
    {0x907, "TPM_RC_LOCALITY"},
    {0x908, "TPM_RC_YIELDED"},
    {0x909, "TPM_RC_CANCELED"},
    {0x90a, "TPM_RC_TESTING"},
    {0x910, "TPM_RC_REFERENCE_H0"},
    {0x911, "TPM_RC_REFERENCE_H1"},
    {0x912, "TPM_RC_REFERENCE_H2"},
    {0x913, "TPM_RC_REFERENCE_H3"},
    {0x914, "TPM_RC_REFERENCE_H4"},
    {0x915, "TPM_RC_REFERENCE_H5"},
    {0x916, "TPM_RC_REFERENCE_H6"},
    {0x918, "TPM_RC_REFERENCE_S0"},
    {0x919, "TPM_RC_REFERENCE_S1"},
    {0x91a, "TPM_RC_REFERENCE_S2"},
    {0x91b, "TPM_RC_REFERENCE_S3"},
    {0x91c, "TPM_RC_REFERENCE_S4"},
    {0x91d, "TPM_RC_REFERENCE_S5"},
    {0x91e, "TPM_RC_REFERENCE_S6"},
    {0x920, "TPM_RC_NV_RATE"},
    {0x921, "TPM_RC_LOCKOUT"},
    {0x922, "TPM_RC_RETRY"},
    {0x923, "TPM_RC_NV_UNAVAILABLE"},
};

std::string_view find(std::span<const Name> names, u32 code, std::string_view otherwise) {
    for (const auto& name : names)
        if (name.code == code)
            return name.text;
    return otherwise;
}

} // namespace

Result<ResponseHeader, TpmDecodeError> decode_response_header(std::span<const u8> response) {
    BigReader reader{response};
    const auto tag = reader.integer<u16>();
    const auto size = reader.integer<u32>();
    const auto code = reader.integer<u32>();
    if (!tag.is_ok() || !size.is_ok() || !code.is_ok())
        return Failure{TpmDecodeError::truncated};
    if (size.value() != response.size())
        return Failure{TpmDecodeError::size_mismatch};
    const auto known = static_cast<Tag>(tag.value());
    if (known != Tag::no_sessions && known != Tag::sessions)
        return Failure{TpmDecodeError::bad_tag};
    return ResponseHeader{known, code.value()};
}

std::string_view name(CommandCode code) {
    return find(command_names, static_cast<u32>(code), "TPM2_(unknown)");
}

std::string_view response_name(u32 code) {
    return find(response_names, base_code(code), "TPM_RC_(unknown)");
}

} // namespace ravelin::wire::tpm

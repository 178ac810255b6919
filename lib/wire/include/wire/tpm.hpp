// SPDX-License-Identifier: Apache-2.0
// TPM 2.0 commands and responses: codes, the shape of each command, and decoders of the framing.
// [TPM 2.0 part 2; part 3 for the shapes]
#pragma once

#include <base/cursor.hpp>
#include <base/types.hpp>

#include <string_view>

namespace ravelin::wire::tpm {

/// TPM_ALG_ID. [part 2, 6.3]
enum class Algorithm : u16 {
    rsa = 0x0001,
    sha1 = 0x0004,
    hmac = 0x0005,
    aes = 0x0006,
    keyed_hash = 0x0008,
    sha256 = 0x000b,
    sha384 = 0x000c,
    sha512 = 0x000d,
    null = 0x0010,
    ecdsa = 0x0018,
    ecc = 0x0023,
    cfb = 0x0043,
};

/// Bytes of a hash algorithm's digest; 0 for what is none of the four.
constexpr usize digest_size(Algorithm algorithm) {
    switch (algorithm) {
    case Algorithm::sha1:
        return 20;
    case Algorithm::sha256:
        return 32;
    case Algorithm::sha384:
        return 48;
    case Algorithm::sha512:
        return 64;
    default:
        return 0;
    }
}

/// TPM_ST. [part 2, 6.9]
enum class Tag : u16 { no_sessions = 0x8001, sessions = 0x8002 };

/// TPM_CC of the commands somebody here sends or decides about. [part 2, 6.5.2]
enum class CommandCode : u32 {
    create_primary = 0x131,
    self_test = 0x143,
    startup = 0x144,
    activate_credential = 0x147,
    nv_read = 0x14e,
    policy_secret = 0x151,
    create = 0x153,
    load = 0x157,
    quote = 0x158,
    sign = 0x15d,
    unseal = 0x15e,
    context_load = 0x161,
    context_save = 0x162,
    flush_context = 0x165,
    nv_read_public = 0x169,
    policy_auth_value = 0x16b,
    policy_command_code = 0x16c,
    policy_locality = 0x16f,
    policy_or = 0x171,
    read_public = 0x173,
    start_auth_session = 0x176,
    get_capability = 0x17a,
    get_random = 0x17b,
    pcr_read = 0x17e,
    policy_pcr = 0x17f,
    policy_restart = 0x180,
    read_clock = 0x181,
    pcr_extend = 0x182,
    policy_get_digest = 0x189,
    policy_password = 0x18c,
};

struct HandleTag;
using Handle = Strong<HandleTag, u32>;

constexpr Handle handle_owner{0x4000'0001};
constexpr Handle handle_null{0x4000'0007};
constexpr Handle password_session{0x4000'0009};
constexpr Handle handle_endorsement{0x4000'000b};

/// TPM_RC. [part 2, 6.6]
namespace rc {
constexpr u32 success = 0;
constexpr u32 attributes = 0x082;
constexpr u32 initialize = 0x100;
constexpr u32 failure = 0x101;
constexpr u32 command_size = 0x142;
constexpr u32 command_code = 0x143;
constexpr u32 handle = 0x08b;
constexpr u32 context_gap = 0x901;
constexpr u32 object_memory = 0x902;
constexpr u32 session_memory = 0x903;
constexpr u32 object_handles = 0x906;
constexpr u32 session_handles = 0x905;
constexpr u32 yielded = 0x908;
constexpr u32 testing = 0x90a;
constexpr u32 reference_h0 = 0x910;
constexpr u32 retry = 0x922;
} // namespace rc

/// A response code without the place (handle, session or parameter number) that format-one codes
/// carry. [part 2, 6.6.2]
constexpr u32 base_code(u32 code) {
    constexpr u32 format_one = 0x080;
    return (code & format_one) != 0 ? code & 0x0bf : code;
}

/// The specification's name of a command, e.g. "TPM2_Quote".
[[nodiscard]] std::string_view name(CommandCode code);
/// The specification's name of a response code, e.g. "TPM_RC_HANDLE", whatever its place.
[[nodiscard]] std::string_view response_name(u32 code);

struct ResponseHeader {
    Tag tag;
    u32 code; ///< TPM_RC
};
enum class TpmDecodeError : u8 { truncated, size_mismatch, bad_tag };
/// The ten bytes every response begins with; its size field must be the response's size.
[[nodiscard]] Result<ResponseHeader, TpmDecodeError>
decode_response_header(std::span<const u8> response);

} // namespace ravelin::wire::tpm

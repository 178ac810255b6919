// SPDX-License-Identifier: Apache-2.0
// An authenticated code module: the signed program (SINIT) that the processor runs on
// GETSEC[SENTER] before the measured environment. Pure decoder of untrusted bytes: it says what the
// module claims and which bytes its signature covers; it verifies no signature. [SDM vol2D 7.2,
// A.1] [TXT Software Development Guide, appendix A]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <array>
#include <span>
#include <string_view>

namespace ravelin::wire {

enum class AcmError : u8 {
    truncated,       ///< shorter than its header, or than the header says
    not_chipset,     ///< another type of module, or another vendor's
    unknown_version, ///< a header that is not of version 0.0 (RSA 2048)
    bad_header,      ///< sizes in the header that contradict each other
    no_information,  ///< the information table is not where the header's sizes put it
    bad_list,        ///< a list of identifiers reaches outside the module
    too_many,        ///< more identifiers than anything here has room for
};
[[nodiscard]] std::string_view text(AcmError error);

/// What the chipset's DIDVID register must match. [TXT SDG A.1.2]
struct AcmChipset {
    u32 flags{}; ///< bit 0: `revision` is a mask
    u16 vendor{};
    u16 device{};
    u16 revision{};
    u32 extended{};
};
/// What CPUID and IA32_PLATFORM_ID must match.
struct AcmProcessor {
    u32 signature{};
    u32 signature_mask{};
    u64 platform{};
    u64 platform_mask{};
};

enum class AcmType : u8 { bios = 0, sinit = 1 };

struct Acm {
    static constexpr usize key_size = 256;
    static constexpr usize signed_head_size = 128; ///< what the signature covers before the key

    u16 flags{}; ///< bit 14: pre-production, bit 15: debug-signed
    u32 date{};  ///< BCD, yyyymmdd
    u16 security_version{};
    u32 global_descriptor_limit{};
    u32 global_descriptors{}; ///< offset in the module, as the next
    u16 code_segment{};
    u32 entry{};
    std::span<const u8> public_key{}; ///< modulus, least significant byte first
    u32 public_exponent{};
    std::span<const u8> signature{};   ///< least significant byte first
    std::span<const u8> signed_head{}; ///< then
    std::span<const u8> signed_rest{}; ///< that is all but key, signature and scratch
    AcmType type{};
    u32 os_sinit_data_version{}; ///< the newest that it takes
    u32 least_mle_version{};
    u32 capabilities{};
    FixedVector<AcmChipset, 16> chipsets{};
    FixedVector<AcmProcessor, 16> processors{};
    FixedVector<u16, 8> hashes{}; ///< TPM_ALG_ID
};

/// The identifier of a module's information table, 7fc03aaa-46a7-18db-ac2e-698f8d417f5a.
inline constexpr std::array<u8, 16> acm_information_id{
    0xaa, 0x3a, 0xc0, 0x7f, 0xa7, 0x46, 0xdb, 0x18, 0x2e, 0xac, 0x69, 0x8f, 0x8d, 0x41, 0x7f, 0x5a};

/// Views into `module`, which must outlive the result. Bytes behind the size that the header states
/// are padding and ignored.
[[nodiscard]] Result<Acm, AcmError> decode_acm(std::span<const u8> module);

} // namespace ravelin::wire

// SPDX-License-Identifier: Apache-2.0
// The machine's SINIT: a vendor's key, the module that it signs, and what a processor checks of a
// module before it runs it. The signature is real (PKCS #1 v1.5 of SHA-256, RSA 2048, exponent 17);
// the module's program is not, because the model plays it. [SDM vol2D A.1]
#pragma once

#include <wire/acm.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::tools::txt {

using Bytes = std::vector<u8>;

inline constexpr u16 chipset_vendor = 0x8086;
inline constexpr u16 chipset_device = 0xb001;
inline constexpr u16 chipset_revision = 1;

/// What the model's SINIT can do: wakes by MONITOR, takes the page table in ECX, details and
/// authorities in PCR 17 and 18, TCG's event log. [TXT SDG, table A-4]
inline constexpr u32 sinit_capabilities = 0x001 | 0x004 | 0x020 | 0x200;

/// Who signs modules for a chipset: a key in `directory`, made at first use.
class AcmAuthority {
  public:
    explicit AcmAuthority(const std::filesystem::path& directory);
    /// The signed SINIT. `date` is BCD, yyyymmdd: tboot takes the newest that it finds.
    [[nodiscard]] Bytes make_sinit(u32 date = 0x2026'1101) const;
    /// SHA-256 of the public key: what is fused into the chipset.
    [[nodiscard]] std::array<u8, 32> key_hash() const;

  private:
    std::filesystem::path key_;
};

/// The processor's reasons to refuse a module, by the number that TXT.ERRORCODE then shows.
/// [SDM vol2D, table 7-5]
enum class AcmRefusal : u8 {
    unrecognized_format = 6,
    authentication = 7,
    invalid_format = 8,
};
[[nodiscard]] std::string_view text(AcmRefusal refusal);
/// TXT.ERRORCODE of a refusal: valid, by the processor.
[[nodiscard]] constexpr u32 error_code(AcmRefusal refusal) {
    return 0x8000'0000U | static_cast<u32>(refusal);
}

/// What the processor does with the bytes it copied into its authenticated-code RAM: format, the
/// key's hash against the chipset's, the signature.
[[nodiscard]] Result<wire::Acm, AcmRefusal> authenticate_acm(std::span<const u8> module,
                                                             const std::array<u8, 32>& key_hash);

/// What of a module is measured: what its signature covers.
[[nodiscard]] Bytes measured_part(const wire::Acm& acm);

} // namespace ravelin::tools::txt

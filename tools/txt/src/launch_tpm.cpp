// SPDX-License-Identifier: Apache-2.0
// See the header. [TPM 2.0 part 3, 22.2 and 30.2]
#include "launch_tpm.hpp"

#include <base/cursor.hpp>
#include <tools/server/error.hpp>

#include <algorithm>

namespace ravelin::tools::txt {
namespace {

using wire::tpm::Algorithm;

/// Active banks in a response of TPM2_GetCapability(TPM_CAP_PCRS).
Result<std::vector<Algorithm>, CursorError> decode_banks(std::span<const u8> response) {
    BigReader reader{response};
    (void)RAVELIN_TRY(reader.skip(10 + 1 + 4));
    const u32 count = RAVELIN_TRY(reader.integer<u32>());
    std::vector<Algorithm> banks;
    for (u32 i = 0; i < count; ++i) {
        const auto algorithm = static_cast<Algorithm>(RAVELIN_TRY(reader.integer<u16>()));
        const u8 size = RAVELIN_TRY(reader.byte());
        const auto selection = RAVELIN_TRY(reader.bytes(size));
        const bool active =
            std::any_of(selection.begin(), selection.end(), [](u8 octet) { return octet != 0; });
        if (active && wire::tpm::digest_size(algorithm) != 0)
            banks.push_back(algorithm);
    }
    return banks;
}

u32 response_code(std::span<const u8> response) {
    BigReader reader{response};
    if (!reader.skip(6))
        return ~0U;
    return reader.integer<u32>().value_or(~0U);
}

} // namespace

void SoftwareLaunchTpm::measure_dynamic_root(std::span<const u8> data) {
    tpm_.measure_dynamic_root(data);
}

void SoftwareLaunchTpm::extend(PcrIndex pcr, std::span<const wire::LogDigest> digests) {
    std::array<u8, 512> buffer{};
    BigWriter writer{buffer};
    writer.integer(u16{0x8002}).integer(u32{0}).integer(u32{0x182}).integer(pcr.raw());
    // An empty password.
    writer.integer(u32{9}).integer(u32{0x4000'0009}).integer(u16{0}).integer(u8{0}).integer(u16{0});
    writer.integer(static_cast<u32>(digests.size()));
    for (const wire::LogDigest& digest : digests)
        writer.integer(static_cast<u16>(digest.algorithm)).bytes(digest.bytes);
    writer.patch(2, static_cast<u32>(writer.offset()));
    const u32 code =
        response_code(tpm_.transmit_as_chipset(TpmLocality{3}, writer.finish().value()));
    if (code != 0)
        throw ServerError{"the TPM refuses SINIT's measurement with " + std::to_string(code)};
}

std::vector<Algorithm> SoftwareLaunchTpm::banks() {
    constexpr std::array<u8, 22> command{0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0,
                                         0,    0,    5, 0, 0, 0,  0, 0, 0,    0,    1};
    const auto banks = decode_banks(tpm_.transmit_as_chipset(TpmLocality{3}, command));
    if (!banks || banks.value().empty())
        throw ServerError{"the TPM does not tell its banks"};
    return banks.value();
}

} // namespace ravelin::tools::txt

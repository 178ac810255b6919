// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/tpm_commands.hpp"

#include "tools/server/error.hpp"

#include <base/cursor.hpp>

namespace ravelin::tools {
namespace {

/// The digest in a response of TPM2_PCR_Read [TPM 2.0 part 3, 22.4]: header, update counter, one
/// selection of 3 octets, one digest.
Result<std::vector<u8>, CursorError> decode_pcr(std::span<const u8> response) {
    BigReader reader{response};
    static_cast<void>(RAVELIN_TRY(reader.skip(10 + 4 + 4 + 2 + 1 + 3)));
    if (RAVELIN_TRY(reader.integer<u32>()) != 1)
        return Failure{CursorError::truncated};
    const u16 size = RAVELIN_TRY(reader.integer<u16>());
    const auto digest = RAVELIN_TRY(reader.bytes(size));
    return std::vector<u8>{digest.begin(), digest.end()};
}

} // namespace

std::vector<u8> read_pcr(SoftwareTpm& tpm, u8 index, u16 bank) {
    std::vector<u8> command{0x80, 0x01, 0, 0, 0, 20, 0, 0, 0x01, 0x7e, 0, 0, 0, 1};
    command.push_back(static_cast<u8>(bank >> 8));
    command.push_back(static_cast<u8>(bank));
    command.push_back(3);
    for (unsigned octet = 0; octet < 3; ++octet)
        command.push_back(index / 8 == octet ? static_cast<u8>(1U << (index % 8)) : u8{0});
    const auto digest = decode_pcr(tpm.transmit(TpmLocality{0}, command));
    if (!digest)
        throw ServerError{"the TPM does not tell PCR " + std::to_string(index)};
    return digest.value();
}

} // namespace ravelin::tools

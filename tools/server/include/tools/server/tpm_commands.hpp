// SPDX-License-Identifier: Apache-2.0
// The few TPM 2.0 commands that the emulated server's owner sends himself, as a person with a probe
// on the TPM could.
#pragma once

#include "tools/server/tpm.hpp"

namespace ravelin::tools {

inline constexpr u16 tpm_alg_sha256 = 0x000b; // [TPM 2.0 part 2, TPM_ALG_ID]
inline constexpr u16 tpm_alg_sha384 = 0x000c;

/// TPM2_PCR_Read of one register; ServerError when the bank is not active or the TPM is off.
[[nodiscard]] std::vector<u8> read_pcr(SoftwareTpm& tpm, u8 index, u16 bank = tpm_alg_sha256);

} // namespace ravelin::tools

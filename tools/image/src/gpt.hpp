// SPDX-License-Identifier: Apache-2.0
// A GUID partition table with one EFI system partition [UEFI 2.10, 5]. Identifiers are fixed:
// firmware measures the table into PCR 5.
#pragma once

#include <base/int.hpp>

#include <span>
#include <vector>

namespace ravelin::tools {

/// A whole disk whose only partition holds `partition` (a multiple of 512 bytes).
[[nodiscard]] std::vector<u8> make_gpt_disk(std::span<const u8> partition);

} // namespace ravelin::tools

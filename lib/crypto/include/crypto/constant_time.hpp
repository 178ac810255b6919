// SPDX-License-Identifier: Apache-2.0
// Comparison whose time does not tell where two secrets differ. Lengths are not secret.
#pragma once

#include <base/types.hpp>

#include <span>

namespace ravelin::crypto {

/// Are both the same bytes? Looks at every byte, whatever the answer.
[[nodiscard]] bool equal_in_constant_time(std::span<const u8> a, std::span<const u8> b);

} // namespace ravelin::crypto

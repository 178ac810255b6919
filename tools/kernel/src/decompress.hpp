// SPDX-License-Identifier: Apache-2.0
// One stream of each compression that a kernel may use, bounded by largest_kernel. What follows the
// stream is ignored: the kernel's build appends the size.
#pragma once

#include "tools/kernel/extract.hpp"

namespace ravelin::tools {

/// Chooses by the stream's magic.
[[nodiscard]] Result<std::vector<u8>, KernelError> decompress(std::span<const u8> stream);

} // namespace ravelin::tools

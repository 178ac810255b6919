// SPDX-License-Identifier: Apache-2.0
// What kind of file a kernel is, told by its first bytes. Untrusted; nothing here depends on which
// kernel it is.
#pragma once

#include <base/int.hpp>
#include <base/result.hpp>

#include <span>
#include <string>
#include <vector>

namespace ravelin::tools {

enum class KernelKind {
    elf,     ///< goes to the hypervisor as it is, which wants a PVH note in it
    bzimage, ///< has such an ELF in it
    unknown,
};
[[nodiscard]] KernelKind sniff_kernel(std::span<const u8> file);

/// The ELF to boot; the error says what the file is and what was expected.
[[nodiscard]] Result<std::vector<u8>, std::string> bootable_kernel(std::vector<u8> file);

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// From a distribution's bzImage to the ELF that the PVH entry wants: the hypervisor has no
// decompressor, so this is done once, before the image is measured [Linux, x86 boot protocol]. The
// file is untrusted: every offset is checked, the output is bounded.
#pragma once

#include <base/int.hpp>
#include <base/result.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace ravelin::tools {

enum class KernelError : u8 {
    not_a_bzimage,       ///< no "HdrS" signature, or a boot protocol before 2.08
    truncated,           ///< the header points behind the end of the file
    unknown_compression, ///< none of gzip, xz, zstd, lz4
    corrupt,             ///< the compressed data does not decode
    too_large,           ///< decodes to more than `largest_kernel`
    not_an_elf,          ///< what was compressed is no ELF64 for x86-64
    no_pvh_entry,        ///< no XEN_ELFNOTE_PHYS32_ENTRY: not built for PVH
};

inline constexpr usize largest_kernel = usize{512} << 20;

[[nodiscard]] std::string_view describe(KernelError error);

/// The uncompressed kernel of a bzImage.
[[nodiscard]] Result<std::vector<u8>, KernelError> extract_kernel(std::span<const u8> bzimage);

} // namespace ravelin::tools

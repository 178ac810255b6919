// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/kernel/kernel_file.hpp"

#include "tools/kernel/extract.hpp"

#include <algorithm>
#include <array>

namespace ravelin::tools {
namespace {

bool has_bytes(std::span<const u8> file, usize at, std::string_view text) {
    return file.size() >= at + text.size() &&
           std::equal(text.begin(), text.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

} // namespace

KernelKind sniff_kernel(std::span<const u8> file) {
    constexpr usize setup_signature = 0x202; // [Linux, x86 boot protocol]
    if (has_bytes(file,
                  0,
                  "\x7f"
                  "ELF"))
        return KernelKind::elf;
    return has_bytes(file, setup_signature, "HdrS") ? KernelKind::bzimage : KernelKind::unknown;
}

Result<std::vector<u8>, std::string> bootable_kernel(std::vector<u8> file) {
    switch (sniff_kernel(file)) {
    case KernelKind::elf:
        return file;
    case KernelKind::bzimage: {
        auto elf = extract_kernel(file);
        if (!elf)
            return Failure{"a bzImage, but " + std::string{describe(elf.error())}};
        return std::move(elf).value();
    }
    case KernelKind::unknown:
        break;
    }
    return Failure{std::string{"expected a bzImage (\"HdrS\" at 0x202) or an ELF file with a PVH "
                               "entry, found neither"}};
}

} // namespace ravelin::tools

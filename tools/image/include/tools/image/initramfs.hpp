// SPDX-License-Identifier: Apache-2.0
// Domain 0's initial file system, made from installed Debian packages and our agent: one input, one
// output, byte for byte.
#pragma once

#include <base/int.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::tools {

struct ExtraFile {
    std::filesystem::path source;
    std::string target; ///< absolute path in the guest
};

struct InitramfsConfig {
    std::filesystem::path modules; ///< /lib/modules/VERSION of the kernel that will run
    /// Kernel modules by name, in the order in which the init script loads them; what they depend
    /// on comes before.
    std::vector<std::string> kernel_modules{
        "virtio_net", "virtio_pci", "e1000e", "xen-privcmd", "xen-evtchn"};
    std::vector<std::filesystem::path>
        programs; ///< into /usr/bin, with the shared libraries they need
    std::vector<ExtraFile> files;
};

/// The archive, not compressed.
[[nodiscard]] std::vector<u8> build_initramfs(const InitramfsConfig& config);

/// /lib/modules/VERSION of the newest installed stock kernel (linux-image-amd64, not its cloud
/// flavour).
[[nodiscard]] std::filesystem::path stock_kernel_modules();
/// The kernel image that belongs to it.
[[nodiscard]] std::filesystem::path stock_kernel_image();

/// The files of modules.dep that `names` need, each after what it depends on. ServerError names a
/// module that is not there.
[[nodiscard]] std::vector<std::string> module_closure(const std::string& modules_dep,
                                                      const std::vector<std::string>& names);

} // namespace ravelin::tools

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

/// Whether domain 0 serves other domains: the store (Debian's xenstored), the block and network
/// back ends, bridges and loop devices.
enum class Backends { absent, present };

struct InitramfsConfig {
    std::filesystem::path modules; ///< /lib/modules/VERSION of the kernel that will run
    /// Kernel modules by name, in the order in which the init script loads them; what they depend
    /// on comes before.
    std::vector<std::string> kernel_modules{
        "virtio_net", "virtio_pci", "e1000e", "xen-privcmd", "xen-evtchn"};
    Backends backends{Backends::absent};
    std::vector<std::filesystem::path>
        programs; ///< into /usr/bin, with the shared libraries they need
    std::vector<ExtraFile> files;
    /// The text of /init; empty: domain 0's. For a guest of a test or a demo.
    std::string init;
};

/// The archive, not compressed.
[[nodiscard]] std::vector<u8> build_initramfs(const InitramfsConfig& config);

/// Debian's linux-image-amd64 and linux-image-cloud-amd64, both of series 6.1, and
/// linux-image-6.12-amd64.
enum class Flavour { generic, cloud, generic_6_12 };
/// /lib/modules/VERSION of the newest installed stock kernel of that flavour.
[[nodiscard]] std::filesystem::path stock_kernel_modules(Flavour flavour = Flavour::generic);
/// The kernel image that belongs to it.
[[nodiscard]] std::filesystem::path stock_kernel_image(Flavour flavour = Flavour::generic);

/// What `Backends::present` adds to `kernel_modules`.
[[nodiscard]] const std::vector<std::string>& backend_modules();

/// The files of modules.dep that `names` need, each after what it depends on. ServerError names a
/// module that is not there.
[[nodiscard]] std::vector<std::string> module_closure(const std::string& modules_dep,
                                                      const std::vector<std::string>& names);

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// The disks from which a domain 0 under test makes guests: kernels, a ramdisk that does what is
// typed at the guest's console, and files of VMs.
#pragma once

#include <tools/image/initramfs.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::system_test {

/// A VM's file, without kernel and ramdisk.
struct StockGuest {
    std::string name;
    unsigned memory_mib;
    std::string more; ///< TOML
};

/// A disk image in `directory` with /guests/NAME.toml for each, and for VMs of `programs` (PVH ELF
/// files; name, file, TOML) too.
struct PvhGuest {
    std::string name;
    std::filesystem::path kernel;
    std::string more;
};
[[nodiscard]] std::filesystem::path make_guests_disk(const std::filesystem::path& directory,
                                                     const std::vector<StockGuest>& stock,
                                                     const std::vector<PvhGuest>& programs);

/// For Domain0Test::files: what the scripts in domain 0 have in common.
[[nodiscard]] tools::ExtraFile guests_script();

/// QEMU's options for a disk behind VT-d that says who it is.
[[nodiscard]] std::vector<std::string> disk_arguments(const std::filesystem::path& image,
                                                      const std::string& serial,
                                                      const std::string& access);

} // namespace ravelin::system_test

// SPDX-License-Identifier: Apache-2.0
// The guest that the user asked for, as a launch manifest, and the machine that is large enough for
// it. Pure.
#pragma once

#include <base/int.hpp>

#include <string>

namespace ravelin::run {

/// `direct`: QEMU loads Ravelin. `srtm`: UEFI, GRUB and a TPM.
enum class Launch { direct, srtm };
/// Whether the manifest names a ramdisk module.
enum class Ramdisk { absent, present };

struct Guest {
    std::string command_line;
    unsigned memory_mib{512};
    unsigned vcpus{1};
    Ramdisk ramdisk{Ramdisk::absent};
};

inline constexpr const char* guest_name = "guest";
inline constexpr const char* kernel_module = "guest.kernel";
inline constexpr const char* ramdisk_module = "guest.initrd";

/// The manifest's TOML [tools/manifest]: one domain of role guest.
[[nodiscard]] std::string manifest_toml(const Guest& guest);

/// MiB for the server: the guest, the loader's copies of `image_bytes`, Ravelin itself, and under
/// UEFI the firmware.
[[nodiscard]] unsigned machine_memory_mib(const Guest& guest, u64 image_bytes, Launch launch);

} // namespace ravelin::run

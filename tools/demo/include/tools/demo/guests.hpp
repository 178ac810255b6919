// SPDX-License-Identifier: Apache-2.0
// Two stock guests with disk and network: alpha runs Debian's cloud kernel, beta its generic one.
// They ping each other, and beta copies alpha's disk over the network to its own.
#pragma once

#include <tools/image/initramfs.hpp>

#include <filesystem>
#include <string>

namespace ravelin::demo {

struct Guests {
    std::filesystem::path disk;   ///< for domain 0: both guests' files, with the serial "guests"
    std::filesystem::path script; ///< for domain 0's initramfs: makes and ends them
    std::string digest;           ///< SHA-256 of what is to be copied, in hex
};

/// Makes the files in `directory`.
[[nodiscard]] Guests make_guests(const std::filesystem::path& directory);

/// QEMU's arguments for the disk.
[[nodiscard]] std::vector<std::string> guests_disk_arguments(const Guests& guests);

} // namespace ravelin::demo

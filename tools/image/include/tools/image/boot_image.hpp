// SPDX-License-Identifier: Apache-2.0
// What a server boots from: a disk image with GRUB for UEFI, whose `tpm` module measures every file
// and command, or a small ISO with GRUB for BIOS, which measures nothing. Reproducible: fixed
// identifiers, no time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::tools {

struct BootModule {
    std::filesystem::path file;
    std::string name; ///< its name in the image, and the first word of its command line
};

struct BootFiles {
    std::filesystem::path hypervisor; ///< goes in as /ravelin.elf32
    std::string hypervisor_arguments;
    std::vector<BootModule> modules;
};

/// grub.cfg for the files: one multiboot2 line, a module2 line each, boot. What GRUB measures into
/// PCR 8 is these lines.
[[nodiscard]] std::string grub_config(const BootFiles& files);

/// The grub.cfg of a commissioning boot: GRUB starts, and turns the machine off. PCR 0-7 then hold
/// the firmware's and the boot loader's measurements and nothing of what would have been booted.
inline constexpr const char* commissioning_config = "halt\n";

/// GPT disk with one EFI system partition: EFI/BOOT/BOOTX64.EFI (GRUB), boot/grub/grub.cfg
/// (`config`) and the files. Its size is rounded so that the partition table, which firmware
/// measures, does not follow every change of the files.
void build_uefi_disk(const BootFiles& files,
                     const std::string& config,
                     const std::filesystem::path& output);
/// ISO for BIOS.
void build_bios_iso(const BootFiles& files,
                    const std::string& config,
                    const std::filesystem::path& output);

} // namespace ravelin::tools

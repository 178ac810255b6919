// SPDX-License-Identifier: Apache-2.0
// See the header. GRUB is the distribution's, put together by grub-mkimage; the FAT is made by
// dosfstools and mtools: no loop device, no privilege.
#include "tools/image/boot_image.hpp"

#include "gpt.hpp"

#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <fstream>

namespace ravelin::tools {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// 1980, the first that FAT can say.
const std::vector<std::string> reproducible{"SOURCE_DATE_EPOCH=315532800", "TZ=UTC", "LC_ALL=C"};

void run_tool(std::vector<std::string> arguments) {
    run({.arguments = std::move(arguments),
         .output = {},
         .inherited = {},
         .environment = reproducible},
        120s);
}

void write_file(const fs::path& path, std::span<const u8> bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes; iostreams know no other type for them.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

/// The boot folder as GRUB sees it, on the host.
void lay_out(const BootFiles& files, const std::string& config, const fs::path& root) {
    fs::create_directories(root / "boot/grub");
    std::ofstream{root / "boot/grub/grub.cfg"} << config;
    fs::copy_file(files.hypervisor, root / "ravelin.elf32");
    for (const BootModule& module : files.modules)
        fs::copy_file(module.file, root / module.name);
}

void build_fat(const fs::path& root, const fs::path& output) {
    u64 size = 4 << 20;
    for (const auto& entry : fs::recursive_directory_iterator{root})
        if (entry.is_regular_file())
            size += entry.file_size();
    // Clusters of 16 KiB, because GRUB reads cluster by cluster; FAT16 wants at least 4085 of them.
    constexpr u64 step = 128ULL << 20;
    const u64 kibibytes = (size + step - 1) / step * (step >> 10);
    run_tool({"mkfs.fat",
              "--invariant",
              "-F",
              "16",
              "-s",
              "32",
              "-i",
              "52564c4e",
              "-n",
              "RAVELIN",
              "-C",
              output.string(),
              std::to_string(kibibytes)});
    for (const char* top : {"EFI", "boot", "ravelin.elf32"})
        run_tool({"mcopy", "-s", "-i", output.string(), (root / top).string(), "::/"});
}

} // namespace

std::string grub_config(const BootFiles& files) {
    std::string text = "multiboot2 /ravelin.elf32";
    if (!files.hypervisor_arguments.empty())
        text += " " + files.hypervisor_arguments;
    text += "\n";
    for (const BootModule& module : files.modules)
        text += "module2 /" + module.name + " " + module.name + "\n";
    return text + "boot\n";
}

void build_uefi_disk(const BootFiles& files, const std::string& config, const fs::path& output) {
    const PrivateDirectory scratch;
    const fs::path root = scratch.path() / "esp";
    lay_out(files, config, root);
    fs::create_directories(root / "EFI/BOOT");
    run_tool({"grub-mkimage",
              "--format=x86_64-efi",
              "--directory=/usr/lib/grub/x86_64-efi",
              "--prefix=/boot/grub",
              "--output=" + (root / "EFI/BOOT/BOOTX64.EFI").string(),
              "part_gpt",
              "fat",
              "normal",
              "configfile",
              "multiboot2",
              "tpm",
              "boot",
              "halt"});
    const fs::path fat = scratch.path() / "fat.img";
    build_fat(root, fat);
    for (const BootModule& module : files.modules)
        run_tool({"mcopy", "-i", fat.string(), (root / module.name).string(), "::/"});
    const std::string partition = read_text_file(fat);
    write_file(output, make_gpt_disk(std::vector<u8>{partition.begin(), partition.end()}));
}

void build_bios_iso(const BootFiles& files, const std::string& config, const fs::path& output) {
    const PrivateDirectory scratch;
    const fs::path root = scratch.path() / "iso";
    lay_out(files, config, root);
    run_tool({"grub-mkrescue",
              "--directory=/usr/lib/grub/i386-pc",
              "--output=" + output.string(),
              "--install-modules=normal multiboot2 iso9660 biosdisk boot halt part_msdos",
              "--fonts=",
              "--themes=",
              "--locales=",
              "--compress=no",
              root.string()});
}

} // namespace ravelin::tools

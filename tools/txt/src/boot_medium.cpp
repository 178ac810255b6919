// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/boot_medium.hpp"

#include "tools/txt/packet.hpp"

#include <tools/server/process.hpp>

#include <fstream>

namespace ravelin::tools::txt {
namespace {

using namespace std::chrono_literals;

constexpr unsigned long long mebibyte = 1 << 20;

} // namespace

FirmwareMemory::FirmwareMemory(unsigned machine_mib) {
    // q35: a machine of 2816 MiB or more has 2 GiB below its PCI hole.
    const unsigned long long low_end =
        machine_mib < 2816 ? machine_mib * mebibyte : 2048 * mebibyte;
    end = low_end;
    base = low_end - 32 * mebibyte;
    heap = low_end - 16 * mebibyte;
    heap_size = mebibyte;
    sinit = heap - mebibyte;
    sinit_size = mebibyte / 2;
    stub = sinit - mebibyte;
}

std::string medium_config(unsigned machine_mib, const std::string& entry) {
    const FirmwareMemory memory{machine_mib};
    const auto hex = [](unsigned long long value) { return "0x" + hex_number(value); };
    return "set timeout=0\n"
           "serial --unit=0 --speed=115200\n"
           "terminal_output serial\n"
           // The heap, SINIT's place and the chipset's page are no RAM for anybody.
           "cutmem " +
           hex(memory.base) + " " + hex(memory.end) +
           "\n"
           // tboot wants PCI configuration space uncached by an MTRR; SeaBIOS has it cached.
           "wrmsr 0x202 0xb0000000\n"
           "wrmsr 0x203 0xfff0000800\n" +
           entry + "boot\n";
}

void build_medium(const std::vector<MediumFile>& files,
                  const std::string& config,
                  const std::filesystem::path& output) {
    const PrivateDirectory scratch;
    const std::filesystem::path root = scratch.path() / "iso";
    std::filesystem::create_directories(root / "boot/grub");
    std::ofstream{root / "boot/grub/grub.cfg"} << config;
    for (const MediumFile& file : files) {
        const auto target = root / std::filesystem::path{file.path}.relative_path();
        std::filesystem::create_directories(target.parent_path());
        std::filesystem::copy_file(
            file.source, target, std::filesystem::copy_options::overwrite_existing);
    }
    run({.arguments = {"grub-mkrescue",
                       "--directory=/usr/lib/grub/i386-pc",
                       "--output=" + output.string(),
                       "--install-modules=normal multiboot2 iso9660 biosdisk boot halt part_msdos "
                       "gzio serial terminal mmap wrmsr",
                       "--fonts=",
                       "--themes=",
                       "--locales=",
                       "--compress=no",
                       root.string()},
         .output = {},
         .inherited = {},
         .environment = {"SOURCE_DATE_EPOCH=315532800", "TZ=UTC", "LC_ALL=C"}},
        120s);
}

} // namespace ravelin::tools::txt

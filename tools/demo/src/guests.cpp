// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/demo/guests.hpp"

#include "guest_scripts.hpp"

#include <tools/image/cpio.hpp>
#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <array>
#include <fstream>
#include <openssl/sha.h>
#include <random>

namespace ravelin::demo {
namespace {

namespace fs = std::filesystem;
using namespace tools;

struct Guest {
    const char* name;
    Flavour flavour;
    unsigned memory_mib;
    const char* arguments;
    const char* access;
};
constexpr std::array guest_list{
    Guest{"alpha",
          Flavour::cloud,
          192,
          "guest.role=send guest.address=10.9.0.1 guest.peer=10.9.0.2",
          "r"},
    Guest{"beta",
          Flavour::generic,
          256,
          "guest.role=receive guest.address=10.9.0.2 guest.peer=10.9.0.1",
          "rw"},
};

/// The same at each run.
std::vector<u8> disk_content() {
    constexpr usize size = usize{1} << 20;
    std::mt19937 random{1};
    std::vector<u8> bytes(size);
    for (u8& byte : bytes)
        byte = static_cast<u8>(random());
    return bytes;
}

std::vector<u8> bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

std::string toml(const Guest& guest) {
    const std::string base = std::string{"/guests/"} + guest.name;
    return std::string{"name = \""} + guest.name +
           "\"\nmemory = " + std::to_string(guest.memory_mib) + "\nvcpus = 1\nkernel = \"" + base +
           ".kernel\"\nramdisk = \"" + base + ".initrd\"\nextra = \"console=hvc0 quiet panic=-1 " +
           guest.arguments + "\"\ndisk = [\"" + base + ".img,raw,xvda," + guest.access +
           "\"]\nvif = [\"\"]\nlabel = \"guest\"\non_poweroff = \"preserve\"\n";
}

std::vector<u8> guest_initramfs(const Guest& guest) {
    InitramfsConfig config;
    config.modules = stock_kernel_modules(guest.flavour);
    config.kernel_modules = {"xen-blkfront", "xen-netfront"};
    config.init = guest_init_script;
    return build_initramfs(config);
}

void write_file(const fs::path& path, std::string_view content) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    file << content;
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

std::string sha256_hex(const std::vector<u8>& bytes) {
    std::array<u8, SHA256_DIGEST_LENGTH> digest{};
    SHA256(bytes.data(), bytes.size(), digest.data());
    std::string text;
    for (const u8 byte : digest) {
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", unsigned{byte});
        text += digits.data();
    }
    return text;
}

} // namespace

Guests make_guests(const fs::path& directory) {
    const std::vector<u8> content = disk_content();
    CpioArchive archive;
    for (const Guest& guest : guest_list) {
        const std::string base = std::string{"/guests/"} + guest.name;
        archive.add_file(base + ".kernel",
                         bytes_of(read_text_file(stock_kernel_image(guest.flavour))));
        archive.add_file(base + ".initrd", guest_initramfs(guest));
        archive.add_file(base + ".toml", bytes_of(toml(guest)));
    }
    archive.add_file("/guests/alpha.img", content);
    archive.add_file("/guests/beta.img", std::vector<u8>(content.size()));
    std::vector<u8> bytes = archive.encode();
    constexpr usize sector = 512;
    bytes.resize((bytes.size() + sector - 1) / sector * sector);
    Guests guests{directory / "guests.img", directory / "guests.sh", sha256_hex(content)};
    // SAFETY: bytes are written as bytes.
    write_file(guests.disk, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    write_file(guests.script, domain0_guests_script);
    fs::permissions(guests.script, fs::perms::owner_all);
    return guests;
}

std::vector<std::string> guests_disk_arguments(const Guests& guests) {
    return {"-drive",
            "if=none,id=guests,format=raw,readonly=on,file=" + guests.disk.string(),
            "-device",
            "virtio-blk-pci,drive=guests,serial=guests,iommu_platform=on,disable-legacy=on"};
}

} // namespace ravelin::demo

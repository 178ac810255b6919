// SPDX-License-Identifier: Apache-2.0
#include <tools/image/cpio.hpp>
#include <tools/image/initramfs.hpp>
#include <tools/kernel/extract.hpp>
#include <tools/server/process.hpp>

#include <fstream>
#include <system/fixture.hpp>
#include <system/stock_guests.hpp>

namespace ravelin::system_test {
namespace {

std::vector<u8> bytes_of(const std::string& text) {
    return {text.begin(), text.end()};
}

std::string toml(const std::string& name,
                 unsigned memory_mib,
                 const std::string& kernel,
                 const std::string& more) {
    return "name = \"" + name + "\"\nmemory = " + std::to_string(memory_mib) + "\nkernel = \"" +
           kernel + "\"\n" + more;
}

} // namespace

std::filesystem::path make_guests_disk(const std::filesystem::path& directory,
                                       const std::vector<StockGuest>& stock,
                                       const std::vector<PvhGuest>& programs) {
    CpioArchive archive;
    archive.add_directory("/guests");
    if (!stock.empty()) {
        const std::string bzimage = read_text_file(stock_kernel_image(Flavour::cloud));
        const auto elf = extract_kernel(bytes_of(bzimage));
        if (!elf)
            throw ServerError{"the stock kernel: " + std::string{describe(elf.error())}};
        archive.add_file("/guests/linux", elf.value());
        InitramfsConfig config;
        config.modules = stock_kernel_modules(Flavour::cloud);
        config.kernel_modules = {"xen-blkfront", "xen-netfront"};
        config.init = read_text_file(source("tests/system/support/guest_init.sh"));
        archive.add_file("/guests/initrd", build_initramfs(config));
    }
    for (const StockGuest& guest : stock)
        archive.add_file("/guests/" + guest.name + ".toml",
                         bytes_of(toml(guest.name,
                                       guest.memory_mib,
                                       "/guests/linux",
                                       "ramdisk = \"/guests/initrd\"\nextra = \"console=hvc0 quiet "
                                       "memhp_default_state=online\"\n" +
                                           guest.more)));
    for (const PvhGuest& guest : programs) {
        const std::string kernel = "/guests/" + guest.kernel.filename().string();
        archive.add_file(kernel, bytes_of(read_text_file(guest.kernel)));
        archive.add_file("/guests/" + guest.name + ".toml",
                         bytes_of(toml(guest.name, 16, kernel, guest.more)));
    }
    std::vector<u8> bytes = archive.encode();
    constexpr usize sector = 512;
    bytes.resize((bytes.size() + sector - 1) / sector * sector);
    const auto path = directory / "guests.img";
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
    return path;
}

tools::ExtraFile guests_script() {
    return {source("tests/system/support/guests.sh"), "/tests/guests.sh"};
}

std::vector<std::string> disk_arguments(const std::filesystem::path& image,
                                        const std::string& serial,
                                        const std::string& access) {
    return {"-drive",
            "if=none,id=" + serial + ",format=raw,readonly=" + (access == "r" ? "on" : "off") +
                ",file=" + image.string(),
            "-device",
            "virtio-blk-pci,drive=" + serial + ",serial=" + serial +
                ",iommu_platform=on,disable-legacy=on"};
}

} // namespace ravelin::system_test

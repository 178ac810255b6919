// SPDX-License-Identifier: Apache-2.0
// ravelin-image: domain 0's initramfs and bootable images from the shell.
#include <tools/image/boot_image.hpp>
#include <tools/image/initramfs.hpp>
#include <tools/server/error.hpp>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

namespace {

using namespace ravelin::tools;

struct Options {
    std::string output;
    std::vector<std::string> pairs;
    std::vector<std::string> programs;
    bool backends{false};
    BootFiles boot;
};

std::pair<std::string, std::string> split(const std::string& text, const char* form) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos)
        throw ServerError{"expected " + std::string{form} + ", found " + text};
    return {text.substr(0, equals), text.substr(equals + 1)};
}

void write_initramfs(const Options& options) {
    InitramfsConfig config;
    config.modules = stock_kernel_modules();
    config.backends = options.backends ? Backends::present : Backends::absent;
    config.programs.assign(options.programs.begin(), options.programs.end());
    for (const std::string& pair : options.pairs) {
        const auto [source, target] = split(pair, "FILE=/PATH/IN/GUEST");
        config.files.push_back({source, target});
    }
    const std::vector<ravelin::u8> archive = build_initramfs(config);
    std::ofstream file{options.output, std::ios::binary | std::ios::trunc};
    file << std::string_view{std::string{archive.begin(), archive.end()}};
    if (!file.flush())
        throw ServerError{"cannot write " + options.output};
    std::cout << options.output << ": " << archive.size() << " bytes, modules of "
              << config.modules.filename().string() << "\n";
}

BootFiles boot_files(const Options& options) {
    BootFiles files = options.boot;
    for (const std::string& pair : options.pairs) {
        const auto [file, name] = split(pair, "FILE=NAME");
        files.modules.push_back({file, name});
    }
    return files;
}

CLI::App* add_image_command(CLI::App& app, Options& options, const char* name, const char* what) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("--output", options.output)->required();
    command->add_option("--hypervisor", options.boot.hypervisor, "ravelin.elf32")->required();
    command->add_option("--append", options.boot.hypervisor_arguments, "its command line");
    command->add_option("--module", options.pairs, "FILE=NAME, in order");
    return command;
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Domain 0's initramfs, and images that servers boot from"};
    app.require_subcommand(1);
    Options options;
    CLI::App* initramfs = app.add_subcommand("initramfs", "domain 0's initial file system");
    initramfs->add_option("--output", options.output)->required();
    initramfs->add_option("--program", options.programs, "into /usr/bin, with its libraries");
    initramfs->add_option("--file", options.pairs, "FILE=/PATH/IN/GUEST");
    initramfs->add_flag("--backends", options.backends, "xenstored, block and network back ends");
    CLI::App* disk = add_image_command(app, options, "disk", "a disk that UEFI boots, measured");
    CLI::App* iso = add_image_command(app, options, "iso", "an ISO that BIOS boots");
    CLI11_PARSE(app, argc, argv);
    if (initramfs->parsed())
        write_initramfs(options);
    const BootFiles files = disk->parsed() || iso->parsed() ? boot_files(options) : BootFiles{};
    if (disk->parsed())
        build_uefi_disk(files, grub_config(files), options.output);
    if (iso->parsed())
        build_bios_iso(files, grub_config(files), options.output);
    return 0;
} catch (const std::exception& error) {
    std::cerr << "ravelin-image: " << error.what() << "\n";
    return 1;
}

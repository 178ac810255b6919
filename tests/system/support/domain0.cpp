// SPDX-License-Identifier: Apache-2.0
// Prepared as a user would: with the `ravelin` command and the image library.
#include <tools/image/initramfs.hpp>
#include <tools/server/process.hpp>

#include <fstream>
#include <system/domain0.hpp>
#include <system/fixture.hpp>

namespace ravelin::system_test {

namespace {

void ravelin(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), built("tools/ravelin/ravelin").string());
    run({.arguments = std::move(arguments), .output = {}, .inherited = {}, .environment = {}},
        120s);
}

void write_bytes(const std::filesystem::path& path, const std::vector<u8>& bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

} // namespace

std::vector<DirectKernel::Module> domain0_modules(const Domain0Test& test,
                                                  const std::filesystem::path& directory) {
    const auto kernel = directory / "dom0.kernel";
    const auto ramdisk = directory / "dom0.initrd";
    const auto manifest = directory / "manifest";
    const auto source = directory / "manifest.toml";
    ravelin({"kernel", "extract", stock_kernel_image().string(), "--output", kernel.string()});
    InitramfsConfig initramfs;
    initramfs.modules = stock_kernel_modules();
    initramfs.files = {{test.program, "/tests/" + test.name}};
    write_bytes(ramdisk, build_initramfs(initramfs));
    std::ofstream{source} << "version = 1\nplatform = \"System test\"\n\n[[domain]]\nid = 0\n"
                             "name = \"dom0\"\nrole = \"domain0\"\nkernel = \"dom0.kernel\"\n"
                             "ramdisk = \"dom0.initrd\"\n"
                             "command_line = \"console=hvc0 panic=1 ravelin.mode=test ravelin.test="
                          << test.name << "\"\nmemory_mib = " << test.memory_mib
                          << "\nvcpus = 1\ndevices = \"all-unassigned\"\nlabel = \"domain0\"\n"
                          << test.more_manifest;
    ravelin({"manifest", "compile", source.string(), "--output", manifest.string()});
    return {{manifest, "manifest"}, {kernel, "dom0.kernel"}, {ramdisk, "dom0.initrd"}};
}

} // namespace ravelin::system_test

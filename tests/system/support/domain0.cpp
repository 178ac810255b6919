// SPDX-License-Identifier: Apache-2.0
// What `ravelin kernel extract` and `ravelin manifest compile` do, by their libraries.
#include <tools/kernel/extract.hpp>
#include <tools/manifest/compile.hpp>
#include <tools/server/process.hpp>

#include <fstream>
#include <system/domain0.hpp>
#include <system/fixture.hpp>

namespace ravelin::system_test {

namespace {

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
    const std::string bzimage = read_text_file(stock_kernel_image());
    const auto elf = extract_kernel(std::vector<u8>{bzimage.begin(), bzimage.end()});
    if (!elf)
        throw ServerError{stock_kernel_image().string() + ": " +
                          std::string{describe(elf.error())}};
    write_bytes(kernel, elf.value());
    InitramfsConfig initramfs;
    initramfs.modules = stock_kernel_modules();
    initramfs.backends = test.backends;
    initramfs.kernel_modules.insert(
        initramfs.kernel_modules.end(), test.kernel_modules.begin(), test.kernel_modules.end());
    initramfs.programs = test.programs;
    initramfs.files = test.files;
    initramfs.files.push_back({test.program, "/tests/" + test.name});
    write_bytes(ramdisk, build_initramfs(initramfs));
    const std::string toml =
        "version = 1\nplatform = \"System test\"\n\n[[domain]]\nid = 0\n"
        "name = \"dom0\"\nrole = \"domain0\"\nkernel = \"dom0.kernel\"\n"
        "ramdisk = \"dom0.initrd\"\n"
        "command_line = \"console=hvc0 panic=1 ravelin.mode=test ravelin.test=" +
        test.name + "\"\nmemory_mib = " + std::to_string(test.memory_mib) +
        "\nvcpus = " + std::to_string(test.vcpus) +
        "\ndevices = \"all-unassigned\"\nlabel = \"domain0\"\n" + test.more_manifest;
    const auto compiled = compile_manifest(toml);
    if (!compiled)
        throw ServerError{describe(compiled.error(), "manifest.toml")};
    write_bytes(manifest, compiled.value());
    return {{manifest, "manifest"}, {kernel, "dom0.kernel"}, {ramdisk, "dom0.initrd"}};
}

} // namespace ravelin::system_test

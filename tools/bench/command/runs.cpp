// SPDX-License-Identifier: Apache-2.0
// See the header. The native system and the guest run one kernel and one ramdisk, have the same
// memory, and the native one has the CPU features that Ravelin shows its guests.
#include "runs.hpp"

#include <tools/image/cpio.hpp>
#include <tools/image/initramfs.hpp>
#include <tools/kernel/kernel_file.hpp>
#include <tools/manifest/compile.hpp>
#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>

#include <fstream>

namespace ravelin::bench {
namespace {

namespace fs = std::filesystem;
using namespace tools;
using namespace std::chrono_literals;

constexpr unsigned guest_memory_mib = 192;

void write_file(const fs::path& path, const std::vector<u8>& bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

std::vector<u8> read_file(const fs::path& path) {
    const std::string content = read_text_file(path);
    return {content.begin(), content.end()};
}

fs::path write_manifest(const fs::path& directory, const std::string& domain) {
    const auto manifest = compile_manifest("version = 1\nplatform = \"Benchmark\"\n\n[[domain]]\n" +
                                           domain + "vcpus = 1\nlabel = \"bench\"\n");
    if (!manifest)
        throw ServerError{describe(manifest.error(), "the benchmark's manifest")};
    write_file(directory / "manifest", manifest.value());
    return directory / "manifest";
}

/// Debian's cloud kernel as the ELF that both start.
fs::path write_kernel(const fs::path& directory) {
    const fs::path image = stock_kernel_image(Flavour::cloud);
    const auto kernel = bootable_kernel(read_file(image));
    if (!kernel)
        throw ServerError{image.string() + ": " + kernel.error()};
    write_file(directory / "kernel", kernel.value());
    return directory / "kernel";
}

/// Nothing but the benchmark's own program.
fs::path write_ramdisk(const fs::path& directory, const fs::path& build) {
    CpioArchive archive;
    archive.add_character_device("/dev/console", 5, 1);
    archive.add_file("/init", read_file(build / "tests/bench/bench-init"), 0755);
    write_file(directory / "ramdisk", archive.encode());
    return directory / "ramdisk";
}

std::string run_exits(const fs::path& build) {
    const PrivateDirectory directory;
    const TpmManufacturer manufacturer{directory.path() / "manufacturer"};
    manufacturer.manufacture(directory.path() / "tpm");
    SoftwareTpm tpm{directory.path() / "tpm", directory.path() / "swtpm.log"};
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.boot = DirectKernel{
        build / "hv/ravelin.elf32",
        "",
        {{write_manifest(directory.path(),
                         "id = 0\nname = \"bench\"\nrole = \"domain0\"\n"
                         "kernel = \"bench.kernel\"\ncommand_line = \"\"\nmemory_mib = 512\n"),
          "manifest"},
         {build / "tests/guests/bench.elf", "bench.kernel"}}};
    Machine machine{config, &tpm};
    machine.console().wait_for("Test result: SUCCESS", 120s);
    machine.wait_for_power_off(30s);
    return machine.console().text();
}

std::string run_to_power_off(const MachineConfig& config) {
    Machine machine{config};
    machine.console().wait_for("bench.end", 240s);
    machine.wait_for_power_off(60s);
    return machine.console().text();
}

std::string run_native(const fs::path& build) {
    const PrivateDirectory directory;
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.iommu = Iommu::absent;
    config.memory_mib = guest_memory_mib;
    config.processor += ",-svm,-mca,-mce,-mtrr";
    config.boot = NativeKernel{write_kernel(directory.path()),
                               "console=ttyS0 quiet norandmaps work=1",
                               write_ramdisk(directory.path(), build)};
    return run_to_power_off(config);
}

std::string run_guest(const fs::path& build) {
    const PrivateDirectory directory;
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.memory_mib = 1024;
    config.boot = DirectKernel{
        build / "hv/ravelin.elf32",
        "",
        {{write_manifest(
              directory.path(),
              "id = 1\nname = \"guest\"\nrole = \"guest\"\nkernel = \"kernel\"\n"
              "ramdisk = \"ramdisk\"\ncommand_line = \"console=hvc0 quiet norandmaps work=1\"\n"
              "devices = \"none\"\nmemory_mib = " +
                  std::to_string(guest_memory_mib) + "\n"),
          "manifest"},
         {write_kernel(directory.path()), "kernel"},
         {write_ramdisk(directory.path(), build), "ramdisk"}}};
    return run_to_power_off(config);
}

} // namespace

std::string run_machine(Run run, const fs::path& build) {
    switch (run) {
    case Run::exits:
        return run_exits(build);
    case Run::native:
        return run_native(build);
    case Run::guest:
        return run_guest(build);
    }
    throw ServerError{"no such run"};
}

std::string_view describe(Run run) {
    switch (run) {
    case Run::exits:
        return "exits, events and grants of a small guest";
    case Run::native:
        return "stock Linux without Ravelin";
    case Run::guest:
        return "the same Linux as a guest";
    }
    return {};
}

} // namespace ravelin::bench

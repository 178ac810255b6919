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

#include <cstring>
#include <fstream>

namespace ravelin::bench {
namespace {

namespace fs = std::filesystem;
using namespace tools;
using namespace std::chrono_literals;

constexpr unsigned guest_memory_mib = 192;
/// What Ravelin keeps from its guests.
constexpr const char* native_processor = ",-svm,-mca,-mce,-mtrr";

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

/// A stock kernel as the ELF that Ravelin and QEMU start.
fs::path write_kernel(const fs::path& directory, Flavour flavour = Flavour::cloud) {
    const fs::path image = stock_kernel_image(flavour);
    const auto kernel = bootable_kernel(read_file(image));
    if (!kernel)
        throw ServerError{image.string() + ": " + kernel.error()};
    write_file(directory / "kernel", kernel.value());
    return directory / "kernel";
}

/// The benchmark's own program, and the front ends that it loads where there are back ends.
fs::path write_ramdisk(const fs::path& directory, const fs::path& build) {
    CpioArchive archive;
    archive.add_character_device("/dev/console", 5, 1);
    archive.add_file("/init", read_file(build / "tests/bench/bench-init"), 0755);
    const fs::path modules = stock_kernel_modules(Flavour::cloud);
    std::string list;
    for (const std::string& module : module_closure(read_text_file(modules / "modules.dep"),
                                                    {"xen-blkfront", "xen-netfront"})) {
        const std::string target = "/modules/" + fs::path{module}.filename().string();
        archive.add_file(target, read_file(modules / module));
        list += target + "\n";
    }
    archive.add_file("/etc/modules", {list.begin(), list.end()});
    write_file(directory / "ramdisk", archive.encode());
    return directory / "ramdisk";
}

constexpr const char* small_toml = "name = \"small\"\nmemory = 16\nvcpus = 1\n"
                                   "kernel = \"/bench/small.kernel\"\nlabel = \"bench\"\n"
                                   "on_poweroff = \"preserve\"\n"; // until it was looked at
constexpr const char* linux_toml =
    "name = \"linux\"\nmemory = 192\nvcpus = 1\nkernel = \"/bench/linux.kernel\"\n"
    "ramdisk = \"/bench/linux.ramdisk\"\n"
    "extra = \"console=hvc0 quiet norandmaps peer=10.9.0.254\"\n"
    "disk = [\"/dev/ram0,raw,xvda,rw\"]\nvif = [\"\"]\nlabel = \"bench\"\n"
    "on_poweroff = \"preserve\"\n";

/// Domain 0's ramdisk: the back ends, the toolstack, and the guests' files in /bench.
fs::path write_domain0_ramdisk(const fs::path& directory, const fs::path& build) {
    write_file(directory / "small.toml", {small_toml, small_toml + std::strlen(small_toml)});
    write_file(directory / "linux.toml", {linux_toml, linux_toml + std::strlen(linux_toml)});
    InitramfsConfig config;
    config.modules = stock_kernel_modules();
    config.kernel_modules = {"xen-privcmd", "xen-evtchn", "brd"};
    config.backends = Backends::present;
    config.programs = {build / "tools/vm/ravelin-vm"};
    config.files = {{build / "tests/bench/bench-domain0", "/tests/bench"},
                    {build / "tests/guests/start.elf", "/bench/small.kernel"},
                    {directory / "small.toml", "/bench/small.toml"},
                    {stock_kernel_image(Flavour::cloud), "/bench/linux.kernel"},
                    {write_ramdisk(directory, build), "/bench/linux.ramdisk"},
                    {directory / "linux.toml", "/bench/linux.toml"}};
    write_file(directory / "domain0.ramdisk", build_initramfs(config));
    return directory / "domain0.ramdisk";
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
    machine.console().wait_for("bench.end|bench: failed", 400s);
    machine.wait_for_power_off(60s);
    return machine.console().text();
}

std::string run_native(const fs::path& build) {
    const PrivateDirectory directory;
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.iommu = Iommu::absent;
    config.memory_mib = guest_memory_mib;
    config.processor += native_processor;
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

std::string run_start(const fs::path& build) {
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.iommu = Iommu::absent;
    config.memory_mib = guest_memory_mib;
    config.processor += native_processor;
    config.boot = NativeKernel{build / "tests/guests/start.elf", "", {}};
    Machine machine{config};
    machine.console().wait_for("bench.end", 30s);
    return machine.console().text();
}

std::string run_server(const fs::path& build) {
    const PrivateDirectory directory;
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.boot = DirectKernel{
        build / "hv/ravelin.elf32",
        "",
        {{write_manifest(directory.path(),
                         "id = 0\nname = \"domain0\"\nrole = \"domain0\"\nkernel = \"kernel\"\n"
                         "ramdisk = \"ramdisk\"\ncommand_line = \"console=hvc0 quiet "
                         "ravelin.mode=test ravelin.test=bench\"\n"
                         "devices = \"all-unassigned\"\nmemory_mib = 512\n"),
          "manifest"},
         {write_kernel(directory.path(), Flavour::generic), "kernel"},
         {write_domain0_ramdisk(directory.path(), build), "ramdisk"}}};
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
    case Run::start:
        return run_start(build);
    case Run::server:
        return run_server(build);
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
    case Run::start:
        return "a small kernel without Ravelin";
    case Run::server:
        return "domain 0 that makes guests with disk and network";
    }
    return {};
}

} // namespace ravelin::bench

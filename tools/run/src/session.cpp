// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/run/session.hpp"

#include <tools/image/boot_image.hpp>
#include <tools/kernel/kernel_file.hpp>
#include <tools/manifest/compile.hpp>
#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>
#include <tools/server/terminal.hpp>

#include <fstream>
#include <iterator>

namespace ravelin::run {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace tools;
using Clock = std::chrono::steady_clock;

std::vector<u8> read_file(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file || fs::is_directory(path))
        throw ServerError{path.string() + ": cannot be read"};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const fs::path& path, const std::vector<u8>& bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

/// What the loader gets, in `directory`.
BootFiles make_files(const Options& options, const fs::path& directory) {
    auto kernel = bootable_kernel(read_file(options.kernel));
    if (!kernel)
        throw ServerError{options.kernel.string() + ": " + kernel.error()};
    write_file(directory / kernel_module, kernel.value());
    const auto manifest = compile_manifest(manifest_toml(options.guest));
    if (!manifest)
        throw ServerError{"the guest cannot be described: " +
                          describe(manifest.error(), "its manifest")};
    write_file(directory / "manifest", manifest.value());
    BootFiles files{.hypervisor = options.build + "/hv/ravelin.elf32",
                    .hypervisor_arguments = {},
                    .modules = {{directory / "manifest", "manifest"},
                                {directory / kernel_module, kernel_module}}};
    if (options.guest.ramdisk == Ramdisk::present) {
        // A copy: the loader's syntax restricts what a path may hold.
        write_file(directory / ramdisk_module, read_file(options.ramdisk));
        files.modules.push_back({directory / ramdisk_module, ramdisk_module});
    }
    return files;
}

MachineConfig
machine_for(const Options& options, const BootFiles& files, const fs::path& directory) {
    MachineConfig config;
    u64 image_bytes = 0;
    for (const BootModule& module : files.modules)
        image_bytes += fs::file_size(module.file);
    config.memory_mib = machine_memory_mib(options.guest, image_bytes, options.launch);
    config.processors = options.processors;
    // Instruction counting is for one processor.
    config.clock = options.processors == 1 ? tools::Clock::steady : tools::Clock::real;
    if (options.launch == Launch::srtm) {
        build_uefi_disk(files, grub_config(files), directory / "boot.img");
        config.boot = UefiDisk{directory / "boot.img"};
        return config;
    }
    DirectKernel direct{files.hypervisor, "", {}};
    for (const BootModule& module : files.modules)
        direct.modules.push_back({module.file, module.name});
    config.boot = direct;
    return config;
}

std::unique_ptr<SoftwareTpm> make_tpm(const fs::path& directory) {
    const TpmManufacturer manufacturer{directory / "manufacturer"};
    manufacturer.manufacture(directory / "tpm");
    return std::make_unique<SoftwareTpm>(directory / "tpm", directory / "swtpm.log");
}

/// Looks at the console while the terminal is attached.
class Watch {
  public:
    Watch(Console& console, std::chrono::seconds timeout)
        : console_{console}, deadline_{timeout == 0s ? Clock::time_point::max()
                                                     : Clock::now() + timeout} {}

    /// Whether there is nothing more to wait for. A guest's failure is given a moment for the lines
    /// that explain it; its power-off is the machine's, which is waited for.
    bool over() {
        if (Clock::now() >= deadline_)
            return true;
        const auto outcome = outcome_on_console(console_.text(), guest_name);
        if (!outcome || outcome->end == End::powered_off) {
            failed_at_.reset();
            return false;
        }
        if (!failed_at_)
            failed_at_ = Clock::now();
        return Clock::now() >= *failed_at_ + 1s;
    }

  private:
    Console& console_;
    Clock::time_point deadline_;
    std::optional<Clock::time_point> failed_at_;
};

Outcome end_of(Machine& machine, Attached attached) {
    const auto outcome = outcome_on_console(machine.console().text(), guest_name);
    if (attached == Attached::left)
        return {End::left, "left, and the machine with it"};
    if (outcome && outcome->end != End::powered_off)
        return *outcome;
    if (attached == Attached::finished)
        return {End::timed_out, "still running when its time was over"};
    machine.wait_for_power_off(10s); // the console is closed: QEMU ends
    return outcome.value_or(Outcome{
        End::could_not_run, "the machine ended, and Ravelin did not say how the guest did"});
}

} // namespace

Outcome run_guest(const Options& options) {
    const PrivateDirectory directory;
    const BootFiles files = make_files(options, directory.path());
    const MachineConfig config = machine_for(options, files, directory.path());
    std::unique_ptr<SoftwareTpm> tpm;
    if (options.launch == Launch::srtm)
        tpm = make_tpm(directory.path());
    Machine machine{config, tpm.get(), Console::Echo::shown};
    Watch watch{machine.console(), options.timeout};
    const Attached attached = attach_terminal(machine.console(), [&watch] { return watch.over(); });
    return end_of(machine, attached);
}

} // namespace ravelin::run

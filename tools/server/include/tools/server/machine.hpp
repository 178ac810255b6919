// SPDX-License-Identifier: Apache-2.0
// The emulated server: a QEMU q35 with SVM, VT-d and a TPM, described by a value, started by a
// constructor and gone with its destructor. The command line is a pure function of the description,
// so that it can be tested, and two runs of one description measure the same.
#pragma once

#include "tools/server/console.hpp"
#include "tools/server/process.hpp"
#include "tools/server/tpm.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ravelin::tools {

/// UEFI firmware (OVMF) boots a disk image by its \EFI\BOOT\BOOTX64.EFI: the launch that is
/// measured.
struct UefiDisk {
    std::filesystem::path image;
};
/// BIOS firmware (SeaBIOS) boots an ISO with GRUB: nothing is measured.
struct BiosIso {
    std::filesystem::path image;
};
/// QEMU itself loads a multiboot1 kernel: nothing is measured, but it takes 0.3 s.
struct DirectKernel {
    struct Module {
        std::filesystem::path file;
        std::string name;
    };
    std::filesystem::path kernel;
    std::string command_line;
    std::vector<Module> modules;
};

/// QEMU itself loads a PVH ELF, without Ravelin: what a guest is compared with.
struct NativeKernel {
    std::filesystem::path kernel;
    std::string command_line;
    std::filesystem::path ramdisk; ///< empty: none
};

/// Where virtual time comes from. `deterministic`: one tick an instruction, idle time skipped:
/// benchmarks with one CPU and nothing from outside. `steady`: one tick an instruction, idle time
/// waited out: for one CPU that talks to the outside. `real`: the host's time.
enum class Clock { deterministic, steady, real };
enum class Iommu { absent, present };
enum class Nic { none, virtio, e1000e };
/// QEMU's `edu` device, whose DMA engine plays the attacker; its mask is opened to 64 bits.
enum class DmaAttacker { absent, present };
/// Whether the machine waits, not one instruction run, for whoever holds its debugger's line.
enum class PowerOn { runs, waits };
/// Whether a reset by what runs in the machine ends it or boots it again.
enum class Reset { ends, boots_again };

/// Connections of the guest to an address of its restricted network reach a TCP port of this host.
struct Forward {
    std::string guest_address;
    unsigned guest_port;
    unsigned host_port;
};

struct MachineConfig {
    std::variant<UefiDisk, BiosIso, DirectKernel, NativeKernel> boot;
    /// QEMU's -cpu. No RDTSCP and MONITOR: TCG intercepts them wrongly.
    std::string processor{"EPYC,-monitor,-rdtscp"};
    unsigned memory_mib{2048};
    unsigned processors{1};
    Clock clock{Clock::steady};
    Iommu iommu{Iommu::present};
    Nic nic{Nic::none};
    DmaAttacker attacker{DmaAttacker::absent};
    std::vector<Forward> forwards;
    PowerOn power_on{PowerOn::runs};
    Reset reset{Reset::ends};
    /// A memfd of memory_mib that is the machine's memory: whoever made it sees what the machine
    /// does.
    std::optional<int> memory_file;
    std::vector<std::string> extra_arguments;
    std::vector<int> extra_descriptors; ///< that extra_arguments name
};

/// What a running machine is connected to: descriptors it inherits, files of its private directory.
struct MachineWiring {
    int serial;
    int monitor;
    std::optional<int> tpm;
    std::filesystem::path firmware_variables;
    std::filesystem::path relay_program; ///< `ravelin-server`, for forwards
};

/// QEMU's arguments, [0] is the program.
[[nodiscard]] std::vector<std::string> command_line(const MachineConfig& config,
                                                    const MachineWiring& wiring);

class Machine {
  public:
    /// Powers the machine on; `tpm` (or none) must live longer. `echo` shows the console on our
    /// output from the first byte.
    explicit Machine(const MachineConfig& config,
                     SoftwareTpm* tpm = nullptr,
                     Console::Echo echo = Console::Echo::silent);

    [[nodiscard]] Console& console() { return *console_; }
    /// Waits until the machine has powered itself off; ServerError with the console's last lines
    /// when it did not.
    void wait_for_power_off(std::chrono::milliseconds timeout);
    [[nodiscard]] bool running() { return !qemu_->poll(); }
    [[nodiscard]] pid_t emulator() const { return qemu_->pid(); }
    /// A command of QEMU's human monitor ("info pci", "info registers"), and its answer.
    std::string monitor(const std::string& command);
    /// A command of QMP with its arguments, both in JSON; its return value, in JSON.
    std::string execute(const std::string& command, const std::string& arguments = "{}");
    /// Guest-physical memory of the machine (what Ravelin calls host-physical), as DMA would find
    /// it.
    [[nodiscard]] std::vector<u8> read_physical(u64 address, std::size_t size);
    /// What QEMU itself had to say, for messages.
    [[nodiscard]] std::string emulator_output() const;

  private:
    std::string read_monitor_line();
    std::string exchange(const std::string& request);

    PrivateDirectory directory_;
    std::mutex monitor_lock_; // one request and its reply
    FileDescriptor monitor_;
    bool monitor_ready_{false};
    std::unique_ptr<Process> qemu_;
    std::unique_ptr<Console> console_;
};

} // namespace ravelin::tools

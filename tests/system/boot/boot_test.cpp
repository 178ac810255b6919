// SPDX-License-Identifier: Apache-2.0
// The ways into Ravelin, and what it does when it cannot go on: it says so and starts nothing.
#include <tools/image/boot_image.hpp>

#include <cstdlib>
#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

class BootTest : public SystemTest {
  protected:
    /// A file that is no manifest: start-up ends there, with everything before it done.
    std::filesystem::path no_manifest() {
        const auto path = directory() / "no-manifest";
        std::ofstream{path} << "this is not a launch manifest";
        return path;
    }
    BootFiles files() {
        return {built("hv/ravelin.elf32"), "system.boot", {{no_manifest(), "manifest"}}};
    }
    /// A manifest of one domain, whose kernel is the module `dom0.kernel`.
    std::filesystem::path manifest() {
        const auto text = directory() / "manifest.toml";
        const auto binary = directory() / "manifest";
        std::ofstream{text} << "version = 1\nplatform = \"system.boot\"\n[[domain]]\nid = 0\n"
                               "name = \"dom0\"\nrole = \"domain0\"\nkernel = \"dom0.kernel\"\n"
                               "command_line = \"\"\nmemory_mib = 64\nvcpus = 1\n"
                               "devices = \"none\"\nlabel = \"system\"\n";
        run({.arguments = {built("tools/ravelin/ravelin").string(),
                           "manifest",
                           "compile",
                           text.string(),
                           "--output",
                           binary.string()},
             .output = {},
             .inherited = {},
             .environment = {}},
            10s);
        return binary;
    }
    MachineConfig with_kernel(const std::filesystem::path& kernel) {
        return direct_boot("", {{manifest(), "manifest"}, {kernel, "dom0.kernel"}});
    }
    static void expect_refusal(Machine& machine, const std::string& reason) {
        machine.console().wait_for("REFUSED: " + reason, 60s);
        machine.console().wait_for("no domain was started", 10s);
    }
};

TEST_F(BootTest, DirectlyWithoutAManifest) {
    MachineConfig config = direct_boot("system.boot");
    config.processors = 4;
    config.clock = Clock::real;
    Machine machine{config};
    machine.console().wait_for("started by multiboot1, command line \".* system\\.boot\"", 30s);
    machine.console().wait_for("UNMEASURED: no TPM", 30s);
    machine.console().wait_for("CPUs: 4 running", 30s);
    const auto own = machine.console().wait_for("([0-9]+) KiB the hypervisor's own", 30s);
    EXPECT_LE(std::stoul(own.at(1)), 12U * 1024);
    expect_refusal(machine, "launch: there is no module named \"manifest\"");
}

TEST_F(BootTest, AnNmiIsAPanicWithASymbolisedTrace) {
    MachineConfig config = direct_boot("");
    config.processors = 2;
    config.clock = Clock::real;
    Machine machine{config};
    expect_refusal(machine, "launch");
    machine.monitor("nmi");
    machine.console().wait_for("PANIC: NMI", 10s);
    machine.console().wait_for("vector 2 error 0x0 rip 0x[0-9a-f]+", 10s);
    machine.console().wait_for("0x[0-9a-f]+ ravelin::", 10s);
    machine.console().wait_for("stopped", 10s);
}

TEST_F(BootTest, ThroughGrubOnBiosItIsUnmeasured) {
    const auto image = directory() / "boot.iso";
    build_bios_iso(files(), grub_config(files()), image);
    MachineConfig config;
    config.boot = BiosIso{image};
    Machine machine{config, &tpm()};
    machine.console().wait_for("started by multiboot2, BIOS, command line \"system\\.boot\"", 60s);
    machine.console().wait_for("UNMEASURED", 60s);
    expect_refusal(machine, "launch: launch manifest: ");
}

TEST_F(BootTest, ThroughGrubOnUefiItIsMeasured) {
    const auto image = directory() / "boot.img";
    build_uefi_disk(files(), grub_config(files()), image);
    MachineConfig config;
    config.boot = UefiDisk{image};
    config.clock = Clock::real;
    Machine machine{config, &tpm()};
    machine.console().wait_for("started by multiboot2, UEFI, command line \"system\\.boot\"", 120s);
    machine.console().wait_for("firmware event log: [0-9]+ bytes", 10s);
    machine.console().wait_for("launch: SRTM", 30s);
    expect_refusal(machine, "launch: launch manifest: ");
}

TEST_F(BootTest, TooLittleMemoryIsRefused) {
    MachineConfig config = direct_boot("", {{no_manifest(), "manifest"}});
    config.memory_mib = 48;
    Machine machine{config};
    expect_refusal(machine, "memory: less memory than 64 MiB");
}

TEST_F(BootTest, AModuleNameThatIsTooLongIsRefused) {
    Machine machine{direct_boot("", {{no_manifest(), std::string(400, 'x')}})};
    expect_refusal(machine, "boot information: a command line is longer");
}

TEST_F(BootTest, DomainZerosPowerOffTurnsTheMachineOff) {
    Machine machine{with_kernel(built("tests/guests/hello.elf"))};
    machine.console().wait_for("boot: [0-9]+ ticks until the first instruction of domain 0", 60s);
    machine.console().wait_for("hello from a guest", 10s);
    machine.wait_for_power_off(20s);
}

TEST_F(BootTest, AKernelThatIsNotThereIsRefused) {
    Machine machine{direct_boot("", {{manifest(), "manifest"}})};
    expect_refusal(machine, "launch: domain dom0 needs a module named \"dom0\\.kernel\"");
}

TEST_F(BootTest, ACorruptKernelIsRefused) {
    Machine machine{with_kernel(no_manifest())};
    expect_refusal(machine, "dom0: not an ELF file");
}

TEST_F(BootTest, ADomainLargerThanMemoryIsRefused) {
    MachineConfig config = with_kernel(built("tests/guests/hello.elf"));
    config.memory_mib = 66;
    Machine machine{config};
    expect_refusal(machine, "dom0: not enough free memory");
}

TEST_F(BootTest, ACpuWithoutVirtualisationIsRefused) {
    MachineConfig config = with_kernel(built("tests/guests/hello.elf"));
    config.extra_arguments = {"-cpu", "EPYC,-monitor,-rdtscp,-svm"};
    Machine machine{config};
    expect_refusal(machine, "virtualisation: the CPU has no SVM");
}

} // namespace
} // namespace ravelin::system_test

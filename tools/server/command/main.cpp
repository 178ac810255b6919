// SPDX-License-Identifier: Apache-2.0
// ravelin-server: manufactures TPMs and runs emulated servers from the shell, with the console on
// the terminal.
#include "txt.hpp"

#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>
#include <tools/server/relay.hpp>
#include <tools/server/terminal.hpp>
#include <tools/server/tpm.hpp>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

namespace {

using namespace ravelin::tools;

struct RunOptions {
    std::string disk;
    std::string iso;
    std::string kernel;
    std::string append;
    std::vector<std::string> modules;
    std::vector<std::string> forwards;
    std::string tpm;
    std::string until;
    unsigned timeout_seconds{0};
    bool interactive{false};
    bool no_iommu{false};
    bool attacker{false};
    MachineConfig config;
};

/// "FILE=NAME" as on the command line.
DirectKernel::Module parse_module(const std::string& text) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos)
        throw ServerError{"--module takes FILE=NAME, found " + text};
    return {text.substr(0, equals), text.substr(equals + 1)};
}

/// "ADDRESS:PORT:HOST_PORT" as on the command line.
Forward parse_forward(const std::string& text) {
    const std::size_t second = text.rfind(':');
    const std::size_t first = text.rfind(':', second - 1);
    if (second == std::string::npos || first == std::string::npos || first == second)
        throw ServerError{"--forward takes ADDRESS:PORT:HOST_PORT, found " + text};
    return {text.substr(0, first),
            static_cast<unsigned>(std::stoul(text.substr(first + 1))),
            static_cast<unsigned>(std::stoul(text.substr(second + 1)))};
}

void add_run(CLI::App& app, RunOptions& run) {
    CLI::App* command = app.add_subcommand("run", "run an emulated server");
    auto* boot = command->add_option_group("boot", "what it boots");
    boot->add_option("--disk", run.disk, "UEFI boots this disk image");
    boot->add_option("--iso", run.iso, "BIOS boots this ISO");
    boot->add_option("--kernel", run.kernel, "QEMU loads this multiboot1 kernel");
    boot->require_option(1);
    command->add_option("--append", run.append, "command line for --kernel");
    command->add_option("--module", run.modules, "FILE=NAME, a module for --kernel");
    command->add_option("--memory", run.config.memory_mib, "MiB")->capture_default_str();
    command->add_option("--smp", run.config.processors, "processors")->capture_default_str();
    const std::map<std::string, Clock> clocks{
        {"deterministic", Clock::deterministic}, {"steady", Clock::steady}, {"real", Clock::real}};
    command->add_option("--clock", run.config.clock, "steady (default), deterministic or real")
        ->transform(CLI::CheckedTransformer(clocks).description("CLOCK"));
    const std::map<std::string, Nic> nics{
        {"none", Nic::none}, {"virtio", Nic::virtio}, {"e1000e", Nic::e1000e}};
    command->add_option("--nic", run.config.nic, "none (default), virtio or e1000e")
        ->transform(CLI::CheckedTransformer(nics).description("NIC"));
    command->add_option("--forward", run.forwards, "ADDRESS:PORT:HOST_PORT for the guest");
    command->add_option("--tpm", run.tpm, "state directory of a TPM made with make-tpm");
    command->add_flag("--no-iommu", run.no_iommu, "leave VT-d out");
    command->add_flag("--edu", run.attacker, "plug QEMU's edu device, a DMA attacker");
    command->add_option("--until", run.until, "end with 0 when a line matches this expression");
    command->add_option("--timeout", run.timeout_seconds, "seconds, 0: none");
    command->add_flag("--interactive", run.interactive, "the terminal is the console; Ctrl-] ends");
}

int run_machine(RunOptions& run) {
    MachineConfig& config = run.config;
    if (!run.disk.empty())
        config.boot = UefiDisk{run.disk};
    else if (!run.iso.empty())
        config.boot = BiosIso{run.iso};
    else {
        DirectKernel direct{run.kernel, run.append, {}};
        for (const std::string& module : run.modules)
            direct.modules.push_back(parse_module(module));
        config.boot = direct;
    }
    for (const std::string& forward : run.forwards)
        config.forwards.push_back(parse_forward(forward));
    config.iommu = run.no_iommu ? Iommu::absent : Iommu::present;
    config.attacker = run.attacker ? DmaAttacker::present : DmaAttacker::absent;

    const PrivateDirectory scratch;
    std::optional<SoftwareTpm> tpm;
    if (!run.tpm.empty())
        tpm.emplace(run.tpm, scratch.path() / "swtpm.log");
    Machine machine{config, tpm ? &*tpm : nullptr, Console::Echo::shown};
    const std::chrono::seconds timeout{run.timeout_seconds != 0 ? run.timeout_seconds
                                                                : 365 * 86400};
    if (run.interactive)
        attach_terminal(machine.console());
    else if (!run.until.empty())
        machine.console().wait_for(run.until, timeout);
    else
        machine.wait_for_power_off(timeout);
    return 0;
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Emulated servers with SVM, VT-d and a TPM 2.0 (QEMU and swtpm)"};
    app.require_subcommand(1);

    RunOptions run_options;
    add_run(app, run_options);

    std::string authority;
    std::string state;
    std::string banks = "sha256";
    CLI::App* make_tpm = app.add_subcommand("make-tpm", "manufacture a TPM with an EK certificate");
    make_tpm->add_option("--ca", authority, "directory of the manufacturer's CA")->required();
    make_tpm->add_option("--state", state, "directory for the TPM's state")->required();
    make_tpm->add_option("--banks", banks, "active PCR banks")->capture_default_str();

    unsigned port = 0;
    CLI::App* relay_command = app.add_subcommand("relay", "join stdin and stdout to a TCP port");
    relay_command->add_option("port", port)->required();

    int status = 0;
    add_txt(app, status);

    CLI11_PARSE(app, argc, argv);
    if (app.got_subcommand("txt") || app.got_subcommand("make-sinit"))
        return status;
    if (relay_command->parsed()) {
        relay(port);
        return 0;
    }
    if (make_tpm->parsed()) {
        const TpmManufacturer manufacturer{authority};
        manufacturer.manufacture(state, banks);
        std::cout << "TPM in " << state << ", its EK certificate signed by "
                  << manufacturer.issuer_certificate().string() << "\n";
        return 0;
    }
    return run_machine(run_options);
} catch (const std::exception& error) {
    std::cerr << "ravelin-server: " << error.what() << "\n";
    return 1;
}

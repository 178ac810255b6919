// SPDX-License-Identifier: Apache-2.0
// ravelin-bench: boots Ravelin with the benchmark guest on one processor whose clock counts
// instructions, and prints the figures beside their limits.
#include <tools/bench/table.hpp>
#include <tools/server/error.hpp>
#include <tools/server/machine.hpp>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

namespace {

using namespace ravelin::tools;
using namespace std::chrono_literals;

std::filesystem::path write_manifest(const std::filesystem::path& directory,
                                     const std::string& build) {
    std::ofstream{directory / "manifest.toml"} << "version = 1\n"
                                                  "platform = \"Benchmark\"\n"
                                                  "\n"
                                                  "[[domain]]\n"
                                                  "id = 0\n"
                                                  "name = \"bench\"\n"
                                                  "role = \"domain0\"\n"
                                                  "kernel = \"bench.kernel\"\n"
                                                  "command_line = \"\"\n"
                                                  "memory_mib = 512\n"
                                                  "vcpus = 1\n"
                                                  "label = \"bench\"\n";
    run({.arguments = {build + "/tools/ravelin/ravelin",
                       "manifest",
                       "compile",
                       (directory / "manifest.toml").string(),
                       "--output",
                       (directory / "manifest").string()},
         .output = {},
         .inherited = {},
         .environment = {}},
        20s);
    return directory / "manifest";
}

std::string run_guest(const std::string& build) {
    const PrivateDirectory directory;
    const TpmManufacturer manufacturer{directory.path() / "manufacturer"};
    manufacturer.manufacture(directory.path() / "tpm");
    SoftwareTpm tpm{directory.path() / "tpm", directory.path() / "swtpm.log"};
    MachineConfig config;
    config.clock = Clock::deterministic;
    config.boot = DirectKernel{build + "/hv/ravelin.elf32",
                               "",
                               {{write_manifest(directory.path(), build), "manifest"},
                                {build + "/tests/guests/bench.elf", "bench.kernel"}}};
    Machine machine{config, &tpm};
    machine.console().wait_for("Test result: SUCCESS", 120s);
    machine.wait_for_power_off(30s);
    return machine.console().text();
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app{"Deterministic figures of speed and size, in instructions executed.\n"
                 "Exit status: 0 all within their limits, 1 a limit is exceeded or a figure is "
                 "missing, 2 no run."};
    std::string build;
    bool verbose = false;
    app.add_option("--build", build, "the build folder")->required()->group("");
    app.add_flag("--verbose", verbose, "the whole console too");
    CLI11_PARSE(app, argc, argv);
    const std::string console = run_guest(build);
    if (verbose)
        std::cout << console << "\n";
    const ravelin::bench::Table table = ravelin::bench::make_table(console);
    std::cout << table.text
              << "\nInstructions as QEMU's icount counts them, one processor, 2 GiB. Host time, "
                 "caches and TLB refills are not\n"
                 "in them; the counters below the line show the switches and flushes that such "
                 "counts make look free.\n"
                 "INIT/SIPI waits are left out of the boot: there is one processor.\n";
    return table.exceeded + table.missing == 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << "\n";
    return 2;
}

// SPDX-License-Identifier: Apache-2.0
// ravelin-run, which is `./demo run`: a kernel of the user's as the only guest of an emulated
// server.
#include <tools/run/session.hpp>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

int main(int argc, char** argv) try {
    namespace run = ravelin::run;
    CLI::App app{
        "Boots an emulated server with one guest: the kernel given. Its console is this terminal; "
        "Ctrl-] leaves.\n"
        "Exit status: 0 the guest powered itself off, 1 it ended otherwise, 2 it could not be run, "
        "3 time-out, 4 left.",
        "./demo run"};
    run::Options options;
    options.guest.command_line = "console=hvc0";
    unsigned timeout_seconds = 600;
    const std::map<std::string, run::Launch> launches{{"direct", run::Launch::direct},
                                                      {"srtm", run::Launch::srtm}};
    app.add_option("--kernel", options.kernel, "a bzImage, or an ELF file with a PVH entry")
        ->required();
    app.add_option("--initrd", options.ramdisk, "its initial ramdisk");
    app.add_option("--cmdline", options.guest.command_line, "its command line")
        ->capture_default_str();
    app.add_option("--memory", options.guest.memory_mib, "MiB of the guest")
        ->capture_default_str()
        ->check(CLI::Range(1u, 16384u));
    app.add_option("--vcpus", options.guest.vcpus, "processors of the guest")
        ->capture_default_str()
        ->check(CLI::Range(1u, 64u));
    app.add_option("--cpus", options.processors, "processors of the server")
        ->capture_default_str()
        ->check(CLI::Range(1u, 64u));
    app.add_option("--launch", options.launch, "direct (default): unmeasured; srtm: UEFI and TPM")
        ->transform(CLI::CheckedTransformer(launches).description("LAUNCH"));
    app.add_option("--timeout", timeout_seconds, "seconds, 0: none")->capture_default_str();
    app.add_option("--build", options.build, "the build folder")->required()->group("");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : run::exit_status(run::End::could_not_run);
    }
    options.timeout = std::chrono::seconds{timeout_seconds};
    if (!options.ramdisk.empty())
        options.guest.ramdisk = run::Ramdisk::present;
    const run::Outcome outcome = run::run_guest(options);
    std::cout << std::flush;
    std::cerr << "run: guest: " << outcome.words << "\n";
    return run::exit_status(outcome.end);
} catch (const std::exception& error) {
    std::cerr << "run: " << error.what() << "\n";
    return ravelin::run::exit_status(ravelin::run::End::could_not_run);
}

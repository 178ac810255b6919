// SPDX-License-Identifier: Apache-2.0
// ravelin-bench: boots what is to be measured on one processor whose clock counts instructions, and
// prints the figures beside their limits.
#include "runs.hpp"

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <optional>

int main(int argc, char** argv) try {
    using namespace ravelin;
    CLI::App app{"Deterministic figures of speed and size, in instructions executed.\n"
                 "Exit status: 0 all within their limits, 1 a limit is exceeded or a figure is "
                 "missing, 2 no run."};
    std::string build;
    bool verbose = false;
    app.add_option("--build", build, "the build folder")->required()->group("");
    std::optional<unsigned> only;
    app.add_option("--only", only, "one run by its number; the others' figures are missing")
        ->check(CLI::Range(0u, unsigned{bench::run_count} - 1));
    app.add_flag("--verbose", verbose, "the whole consoles too");
    CLI11_PARSE(app, argc, argv);
    bench::Consoles consoles;
    for (std::size_t i = 0; i < bench::run_count; ++i) {
        if (only && *only != i)
            continue;
        const auto run = static_cast<bench::Run>(i);
        std::cerr << "bench: " << bench::describe(run) << std::flush;
        const auto start = std::chrono::steady_clock::now();
        consoles[run] = bench::run_machine(run, build);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        std::cerr << ": " << static_cast<unsigned>(took.count()) << " s\n";
        if (verbose)
            std::cout << consoles[run] << "\n";
    }
    const bench::Table table = bench::make_table(consoles);
    std::cout << table.text
              << "\nInstructions as QEMU's icount counts them, one processor. Host time, caches "
                 "and TLB refills are not\n"
                 "in them; the counters of switches and flushes show what such counts make look "
                 "free.\n"
                 "INIT/SIPI waits are left out of the boot: there is one processor.\n";
    return table.exceeded + table.missing == 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << "\n";
    return 2;
}

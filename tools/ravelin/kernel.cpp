// SPDX-License-Identifier: Apache-2.0
// ravelin kernel extract: see tools/kernel.
#include "commands.hpp"

#include <tools/kernel/extract.hpp>

#include <iostream>
#include <memory>

namespace ravelin::tools {

void add_kernel(CLI::App& app) {
    struct Options {
        std::string input;
        std::string output;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* kernel = app.add_subcommand("kernel", "kernels of distributions");
    kernel->require_subcommand(1);
    CLI::App* extract = kernel->add_subcommand("extract", "take the PVH ELF out of a bzImage");
    extract->add_option("bzimage", options->input)->required();
    extract->add_option("--output", options->output)->required();
    extract->callback([options] {
        const auto elf = extract_kernel(read_bytes(options->input));
        if (!elf)
            throw std::runtime_error{options->input + ": " + std::string{describe(elf.error())}};
        write_bytes(options->output, elf.value());
        std::cout << options->output << ": " << elf.value().size() << " bytes\n";
    });
}

} // namespace ravelin::tools

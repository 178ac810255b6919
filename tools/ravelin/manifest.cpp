// SPDX-License-Identifier: Apache-2.0
// ravelin manifest compile|show: see tools/manifest.
#include "commands.hpp"

#include <tools/manifest/compile.hpp>

#include <iostream>
#include <memory>

namespace ravelin::tools {

void add_manifest(CLI::App& app) {
    struct Options {
        std::string input;
        std::string output;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* manifest = app.add_subcommand("manifest", "launch manifests");
    manifest->require_subcommand(1);
    CLI::App* compile = manifest->add_subcommand("compile", "TOML to the measured binary");
    compile->add_option("toml", options->input)->required();
    compile->add_option("--output", options->output)->required();
    compile->callback([options] {
        const auto bytes = compile_manifest(read_text(options->input));
        if (!bytes)
            throw std::runtime_error{describe(bytes.error(), options->input)};
        write_bytes(options->output, bytes.value());
        std::cout << options->output << ": " << bytes.value().size() << " bytes\n";
    });
    CLI::App* show = manifest->add_subcommand("show", "the TOML of a compiled manifest");
    show->add_option("manifest", options->input)->required();
    show->callback([options] {
        const auto text = show_manifest(read_bytes(options->input));
        if (!text)
            throw std::runtime_error{describe(text.error(), options->input)};
        std::cout << text.value();
    });
}

} // namespace ravelin::tools

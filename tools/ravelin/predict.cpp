// SPDX-License-Identifier: Apache-2.0
// ravelin predict: the reference values of a platform from the files that it will boot.
#include "commands.hpp"

#include <attest/reference.hpp>

#include <iostream>
#include <memory>

namespace ravelin::tools {
namespace {

struct Options {
    std::string firmware;
    std::string grub_config;
    std::vector<std::string> files;
    std::string output;
};

std::map<std::string, attest::Bytes> read_files(const std::vector<std::string>& pairs) {
    std::map<std::string, attest::Bytes> files;
    for (const std::string& pair : pairs) {
        const std::size_t equals = pair.rfind('=');
        if (equals == std::string::npos)
            throw std::runtime_error{"--file takes FILE=/PATH/ON/DISK, found " + pair};
        files[pair.substr(equals + 1)] = read_bytes(pair.substr(0, equals));
    }
    return files;
}

attest::Reference predict(const Options& options) {
    const std::string config = read_text(options.grub_config);
    const auto files = read_files(options.files);
    attest::Reference reference =
        or_throw(attest::predict_boot_loader(config, files), options.grub_config);
    const auto modules = or_throw(attest::boot_modules(config, files), options.grub_config);
    attest::Launch launch = or_throw(attest::predict_launch(modules), "launch");
    reference.events[12] = std::move(launch.events);
    reference.manifest = launch.manifest;
    reference.firmware =
        or_throw(attest::firmware_reference(read_text(options.firmware)), options.firmware);
    return reference;
}

} // namespace

void add_predict(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "predict", "the reference values of a platform from the files that it will boot");
    command
        ->add_option("--firmware",
                     options->firmware,
                     "PCR 0-7 of a commissioning boot: {\"sha256\": {\"0\": hex, ...}}")
        ->required();
    command->add_option("--grub-config", options->grub_config, "grub.cfg")->required();
    command->add_option("--file", options->files, "FILE=/PATH/ON/DISK, each file it loads")
        ->required();
    command->add_option("--output", options->output, "the reference, JSON")->required();
    command->callback([options] {
        const attest::Reference reference = predict(*options);
        for (const auto& [pcr, events] : reference.events) {
            std::cout << "PCR " << pcr << " " << attest::to_hex(attest::value_after(events))
                      << "\n";
            for (const attest::ReferenceEvent& event : events)
                std::cout << "  " << attest::to_hex(event.digest) << " " << event.name << "\n";
        }
        const std::string text = attest::encode_reference(reference);
        write_bytes(options->output, std::vector<u8>{text.begin(), text.end()});
    });
}

} // namespace ravelin::tools

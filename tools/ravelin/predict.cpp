// SPDX-License-Identifier: Apache-2.0
// ravelin predict: the reference values of a platform from the files that it will boot.
#include "commands.hpp"

#include <attest/reference.hpp>
#include <tools/tboot/boot_file.hpp>
#include <tools/tboot/menu_entry.hpp>
#include <tools/tboot/predict.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace ravelin::tools {
namespace {

struct Options {
    std::string launch{"srtm"};
    std::string firmware;
    std::string grub_config;
    std::vector<std::string> files;
    std::string sinit;
    std::string tboot{"/boot/tboot.gz"};
    std::string tboot_options{tboot::padded_options(tboot::MenuEntry::default_options)};
    std::string policy;
    std::vector<std::string> modules;
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

/// PCR 17 and 18 by SINIT and tboot, 19 by Ravelin, from the files of a tboot entry.
attest::Reference predict_dynamic(const Options& options) {
    if (options.sinit.empty() || options.modules.empty())
        throw std::runtime_error{"--launch drtm takes --sinit and each --module"};
    tboot::LaunchFiles files;
    files.sinit = read_bytes(options.sinit);
    files.tboot = or_throw(tboot::read_boot_file(options.tboot), "tboot");
    files.tboot_command_line = options.tboot_options;
    if (!options.policy.empty())
        files.policy = read_bytes(options.policy);
    std::map<std::string, attest::Bytes> named;
    for (const std::string& module : options.modules) {
        const std::size_t blank = std::min(module.find(' '), module.size());
        const std::string arguments = module.substr(std::min(blank + 1, module.size()));
        const auto content = or_throw(tboot::read_boot_file(module.substr(0, blank)), module);
        files.modules.push_back({arguments, content});
        // Ravelin knows a module by its last word.
        named[arguments.substr(arguments.rfind(' ') + 1)] = content;
    }
    attest::Reference reference;
    reference.launch = wire::Launch::drtm;
    for (const auto& event : or_throw(tboot::predict_txt(files), "launch"))
        reference.events[event.pcr].push_back({event.name, event.digest});
    attest::Launch launch = or_throw(attest::predict_launch(named), "launch");
    reference.events[19] = std::move(launch.events);
    reference.manifest = launch.manifest;
    return reference;
}

attest::Reference predict_static(const Options& options) {
    if (options.firmware.empty() || options.grub_config.empty() || options.files.empty())
        throw std::runtime_error{"--launch srtm takes --firmware, --grub-config and each --file"};
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
    command->add_option("--launch", options->launch, "srtm (UEFI, default) or drtm (tboot)")
        ->check(CLI::IsMember({"srtm", "drtm"}));
    command->add_option("--firmware",
                        options->firmware,
                        "PCR 0-7 of a commissioning boot: {\"sha256\": {\"0\": hex, ...}}");
    command->add_option("--grub-config", options->grub_config, "grub.cfg");
    command->add_option("--file", options->files, "FILE=/PATH/ON/DISK, each file it loads");
    command->add_option("--sinit", options->sinit, "the SINIT module");
    command->add_option("--tboot", options->tboot, "tboot's binary")->capture_default_str();
    command->add_option("--tboot-options",
                        options->tboot_options,
                        "tboot's command line (default: that of `ravelin tboot entry`)");
    command->add_option("--policy", options->policy, "NV index 0x01c10131 (default: not defined)");
    command->add_option(
        "--module", options->modules, "'FILE ARGUMENTS' as tboot loads them, Ravelin first");
    command->add_option("--output", options->output, "the reference, JSON")->required();
    command->callback([options] {
        const attest::Reference reference =
            options->launch == "drtm" ? predict_dynamic(*options) : predict_static(*options);
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

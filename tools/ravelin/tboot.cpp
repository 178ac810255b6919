// SPDX-License-Identifier: Apache-2.0
// ravelin tboot: what a launch through tboot needs before the boot: its policy, its GRUB entry, the
// values that PCR 17 and 18 will have, and why they have others.
#include "commands.hpp"

#include <tools/tboot/boot_file.hpp>
#include <tools/tboot/menu_entry.hpp>
#include <tools/tboot/predict.hpp>
#include <wire/tcg_log.hpp>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>

namespace ravelin::tools {
namespace {

struct Word {
    std::string file;
    std::string arguments;
};

/// "FILE ARGUMENTS…" as on the command line.
Word split(const std::string& text) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string::npos)
        return {text, {}};
    return {text.substr(0, blank), text.substr(blank + 1)};
}

std::vector<tboot::PolicyModule> read_modules(const std::vector<std::string>& words) {
    std::vector<tboot::PolicyModule> modules;
    for (const std::string& text : words) {
        const Word word = split(text);
        modules.push_back({word.arguments, or_throw(tboot::read_boot_file(word.file), "module")});
    }
    return modules;
}

std::string hex(std::span<const u8> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const u8 byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

void add_policy(CLI::App& app) {
    struct Options {
        tboot::PolicyType type{tboot::PolicyType::halt};
        std::vector<std::string> modules;
        std::string output;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("policy", "the policy that admits exactly these modules");
    const std::map<std::string, tboot::PolicyType> types{{"halt", tboot::PolicyType::halt},
                                                         {"continue", tboot::PolicyType::go_on},
                                                         {"nonfatal", tboot::PolicyType::nonfatal}};
    command->add_option("--type", options->type, "halt (default), continue or nonfatal")
        ->transform(CLI::CheckedTransformer(types).description("TYPE"));
    command
        ->add_option("--module",
                     options->modules,
                     "'FILE ARGUMENTS' in the order of the GRUB entry, the payload first")
        ->required();
    command->add_option("--output", options->output, "for NV index 0x01c10131")->required();
    command->callback([options] {
        const auto policy = tboot::policy_for(options->type, read_modules(options->modules));
        write_bytes(options->output, tboot::encode(policy));
        std::cout << tboot::describe(policy);
    });
}

void add_show(CLI::App& app) {
    const auto file = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("show", "a policy, of ours or of tb_polgen's, in words");
    command->add_option("file", *file)->required();
    command->callback([file] {
        const auto policy = tboot::decode_policy(read_bytes(*file));
        if (!policy)
            throw std::runtime_error{*file + ": " + std::string{tboot::text(policy.error())}};
        std::cout << tboot::describe(policy.value());
    });
}

void add_entry(CLI::App& app) {
    struct Options {
        tboot::MenuEntry entry;
        std::vector<std::string> modules;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("entry", "the lines of grub.cfg");
    command->add_option("--tboot", options->entry.tboot, "its path for GRUB")
        ->capture_default_str();
    command->add_option("--options", options->entry.options, "tboot's command line")
        ->capture_default_str();
    command
        ->add_option("--module", options->modules, "'PATH ARGUMENTS' for GRUB, the payload first")
        ->required();
    command->callback([options] {
        for (const std::string& text : options->modules) {
            const Word word = split(text);
            options->entry.modules.push_back({word.file, word.arguments});
        }
        std::cout << tboot::grub_lines(options->entry);
    });
}

struct Logged {
    u32 type;
    std::vector<u8> digest;
};

/// The SHA-256 digests of a register's events in a TCG log.
std::vector<Logged> events_of(std::span<const u8> log, unsigned pcr) {
    auto reader = wire::LogReader::open(log);
    if (!reader)
        throw std::runtime_error{"log: " + std::string{wire::name(reader.error().kind)}};
    std::vector<Logged> events;
    while (true) {
        const auto event = reader.value().next();
        if (!event)
            throw std::runtime_error{"log: " + std::string{wire::name(event.error().kind)}};
        if (!event.value())
            return events;
        const auto digest = event.value()->digest(wire::tpm::Algorithm::sha256);
        if (event.value()->pcr == PcrIndex{pcr} && digest)
            events.push_back(
                {static_cast<u32>(event.value()->type), {digest->begin(), digest->end()}});
    }
}

/// Says where a log leaves the prediction; false when it does.
bool explain(std::span<const tboot::PredictedEvent> predicted, std::span<const u8> log) {
    bool same = true;
    for (const unsigned pcr : {17U, 18U}) {
        const std::vector<Logged> found = events_of(log, pcr);
        std::size_t index = 0;
        for (const tboot::PredictedEvent& event : predicted) {
            if (event.pcr != pcr)
                continue;
            if (index >= found.size()) {
                std::cout << "PCR " << pcr << ": the log ends before '" << event.name << "'\n";
                same = false;
                break;
            }
            if (!std::equal(event.digest.begin(),
                            event.digest.end(),
                            found[index].digest.begin(),
                            found[index].digest.end())) {
                std::cout << "PCR " << pcr << ", event " << index << " '" << event.name
                          << "': expected " << hex(event.digest) << ", found "
                          << hex(found[index].digest) << "\n";
                same = false;
            }
            ++index;
        }
        if (index < found.size()) {
            std::cout << "PCR " << pcr << ": " << found.size() - index
                      << " events behind the last that was expected\n";
            same = false;
        }
    }
    return same;
}

void add_tboot_predict(CLI::App& app) {
    struct Options {
        std::string sinit;
        std::string tboot{"/boot/tboot.gz"};
        std::string options{tboot::padded_options(tboot::MenuEntry::default_options)};
        std::vector<std::string> modules;
        std::string policy;
        std::string log;
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("predict", "PCR 17 and 18 of a launch, from its files (SHA-256)");
    command->add_option("--sinit", options->sinit, "the SINIT module")->required();
    command->add_option("--tboot", options->tboot, "tboot's binary")->capture_default_str();
    command->add_option("--options",
                        options->options,
                        "tboot's command line as in grub.cfg (default: that of `entry`)");
    command->add_option("--module", options->modules, "'FILE ARGUMENTS', the payload first")
        ->required();
    command->add_option("--policy", options->policy, "NV index 0x01c10131 (default: not defined)");
    command->add_option("--log", options->log, "a TCG event log to compare with, event by event");
    command->callback([options] {
        tboot::LaunchFiles files;
        files.sinit = read_bytes(options->sinit);
        files.tboot = or_throw(tboot::read_boot_file(options->tboot), "tboot");
        files.tboot_command_line = options->options;
        files.modules = read_modules(options->modules);
        if (!options->policy.empty())
            files.policy = read_bytes(options->policy);
        const auto events = or_throw(tboot::predict_txt(files), "launch");
        for (const unsigned pcr : {17U, 18U}) {
            std::cout << "PCR " << pcr << " " << hex(tboot::value_of(pcr, events)) << "\n";
            for (const tboot::PredictedEvent& event : events)
                if (event.pcr == pcr)
                    std::cout << "  " << hex(event.digest) << " " << event.name << "\n";
        }
        if (!options->log.empty() && !explain(events, read_bytes(options->log)))
            throw Refusal{};
    });
}

} // namespace

void add_tboot(CLI::App& app) {
    CLI::App* command = app.add_subcommand("tboot", "a launch through tboot, before the boot");
    command->require_subcommand(1);
    add_policy(*command);
    add_show(*command);
    add_entry(*command);
    add_tboot_predict(*command);
}

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// See the header. docs/TXT-EMULATOR.md is its manual.
#include "txt.hpp"

#include <tools/server/error.hpp>
#include <tools/server/terminal.hpp>
#include <tools/tboot/menu_entry.hpp>
#include <tools/txt/boot_medium.hpp>
#include <tools/txt/server.hpp>

#include <fstream>
#include <iostream>
#include <memory>

namespace ravelin::tools {
namespace {

struct Options {
    std::string payload;
    std::vector<std::string> modules;
    std::string tboot{"/boot/tboot.gz"};
    std::string tboot_options{tboot::MenuEntry::default_options};
    std::string grub_config;
    std::vector<std::string> files;
    std::string chipset;
    std::string sinit;
    std::string tpm;
    std::string until;
    unsigned memory{1024};
    unsigned processors{1};
    unsigned timeout_seconds{120};
    bool interactive{false};
    bool boots_again{false};
    bool quiet{false};
};

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

/// The image, and grub.cfg for it: the user's own menu entry, or one of the payload and its
/// modules.
void make_medium(const Options& options, const std::filesystem::path& output) {
    std::vector<txt::MediumFile> files{{options.tboot, "/tboot.gz"}};
    tboot::MenuEntry entry;
    entry.options = options.tboot_options;
    const auto add = [&](const std::string& text) {
        const Word word = split(text);
        const std::string name = "/" + std::to_string(files.size()) + "-" +
                                 std::filesystem::path{word.file}.filename().string();
        files.push_back({word.file, name});
        entry.modules.push_back({name, word.arguments});
    };
    std::string lines;
    if (options.grub_config.empty()) {
        add(options.payload);
        for (const std::string& module : options.modules)
            add(module);
        lines = tboot::grub_lines(entry);
    } else {
        lines = read_text_file(options.grub_config);
        if (lines.empty())
            throw ServerError{options.grub_config + ": nothing to read"};
        for (const std::string& pair : options.files) {
            const std::size_t equals = pair.rfind('=');
            if (equals == std::string::npos)
                throw ServerError{"--file takes FILE=/PATH, found " + pair};
            files.push_back({pair.substr(0, equals), pair.substr(equals + 1)});
        }
    }
    for (const txt::MediumFile& file : files)
        if (!std::filesystem::is_regular_file(file.source))
            throw ServerError{file.source.string() + ": no such file"};
    txt::build_medium(files, txt::medium_config(options.memory, lines), output);
}

void run_txt(const Options& options) {
    const PrivateDirectory scratch;
    const auto folder = [&](const std::string& given, const char* name) {
        return given.empty() ? scratch.path() / name : std::filesystem::path{given};
    };
    const auto medium = scratch.path() / "boot.iso";
    make_medium(options, medium);

    const std::filesystem::path state = folder(options.tpm, "tpm");
    if (!holds_tpm(state))
        TpmManufacturer{scratch.path() / "ca"}.manufacture(state);
    SoftwareTpm tpm{state, scratch.path() / "swtpm.log"};
    const txt::AcmAuthority authority{folder(options.chipset, "chipset")};

    txt::TxtConfig config;
    config.machine.boot = BiosIso{medium};
    config.machine.memory_mib = options.memory;
    config.machine.processors = options.processors;
    config.machine.clock = Clock::real;
    config.machine.reset = options.boots_again ? Reset::boots_again : Reset::ends;
    config.tboot = options.tboot;
    config.sinit_key_hash = authority.key_hash();
    if (options.sinit.empty()) {
        config.sinit = authority.make_sinit();
    } else {
        const std::string content = read_text_file(options.sinit);
        config.sinit.assign(content.begin(), content.end());
    }
    txt::TxtServer server{config,
                          tpm,
                          Console::Echo::shown,
                          options.quiet ? txt::EventListener{} : [](const std::string& event) {
                              std::cerr << "txt: " << event << "\n";
                          }};
    const std::chrono::seconds timeout{options.timeout_seconds != 0 ? options.timeout_seconds
                                                                    : 365 * 86400};
    if (options.interactive)
        attach_terminal(server.console());
    else if (!options.until.empty())
        server.console().wait_for(options.until, timeout);
    else
        server.machine().wait_for_power_off(timeout);
}

/// ravelin-server make-sinit: what the chipset's vendor signs, for a prediction or a look.
void add_make_sinit(CLI::App& app) {
    const auto chipset = std::make_shared<std::string>();
    const auto output = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("make-sinit", "the SINIT module of a chipset");
    command->add_option("--chipset", *chipset, "folder of the key; made when there is none")
        ->required();
    command->add_option("--output", *output, "the module")->required();
    command->callback([chipset, output] {
        const txt::Bytes module = txt::AcmAuthority{*chipset}.make_sinit();
        std::ofstream file{*output, std::ios::binary | std::ios::trunc};
        file << std::string{module.begin(), module.end()};
        if (!file.flush())
            throw ServerError{"cannot write " + *output};
    });
}

} // namespace

void add_txt(CLI::App& app, int& status) {
    add_make_sinit(app);
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand(
        "txt", "boot a multiboot2 payload through tboot on a server with Intel TXT");
    command->footer("Exit status: 0 the machine powered off, or --until was seen; 1 it did not, or "
                    "something failed (said on standard error); more than 100: wrong usage.\n"
                    "Example: ravelin-server txt --payload kernel.elf32 --module 'config name=x' "
                    "--cpus 2 --until READY");
    auto* boot = command->add_option_group("boot", "what tboot launches");
    boot->add_option("--payload", options->payload, "'FILE ARGUMENTS': an ELF32 multiboot2 kernel");
    boot->add_option("--grub-config",
                     options->grub_config,
                     "your own menu entry (multiboot2, module2 lines) for --file's files");
    boot->require_option(1);
    command->add_option("--module", options->modules, "'FILE ARGUMENTS', as often as needed");
    command->add_option("--file", options->files, "FILE=/PATH on the image, for --grub-config");
    command->add_option("--tboot", options->tboot, "tboot's binary")->capture_default_str();
    command->add_option("--tboot-options", options->tboot_options, "tboot's own command line")
        ->capture_default_str();
    command->add_option("--cpus", options->processors, "processors")
        ->capture_default_str()
        ->check(CLI::Range(1, 16));
    command->add_option("--memory", options->memory, "MiB")
        ->capture_default_str()
        ->check(CLI::Range(256, 65536));
    command->add_option("--tpm", options->tpm, "the TPM's state; made when there is none");
    command->add_option("--chipset", options->chipset, "folder of the key that signs SINIT");
    command->add_option("--sinit", options->sinit, "a SINIT module in place of the chipset's");
    command->add_option(
        "--until", options->until, "end with 0 when a line matches this expression");
    command->add_option("--timeout", options->timeout_seconds, "seconds, 0: none")
        ->capture_default_str();
    command->add_flag("--interactive", options->interactive, "the terminal is the console");
    command->add_flag("--boot-again", options->boots_again, "a reset boots again, not ends");
    command->add_flag("--quiet", options->quiet, "do not tell what the model does");
    command->callback([options, &status] {
        run_txt(*options);
        status = 0;
    });
}

} // namespace ravelin::tools

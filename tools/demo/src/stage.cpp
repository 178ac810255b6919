// SPDX-License-Identifier: Apache-2.0
// See the header. Every command of `ravelin` that the demo uses is called here, so this is also a
// guide to them.
#include "tools/demo/stage.hpp"

#include "tools/demo/tamper.hpp"

#include <tools/image/initramfs.hpp>
#include <tools/server/error.hpp>
#include <tools/server/terminal.hpp>
#include <tools/server/tpm_commands.hpp>

#include <arpa/inet.h>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace ravelin::demo {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace tools;

constexpr const char* verifier_address = "10.0.2.100";
constexpr unsigned verifier_port = 8443;

/// A TCP port that was free a moment ago; the verifier takes it.
unsigned free_port() {
    const FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    // SAFETY: the sockets interface takes every address family through this cast.
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), generic, size) != 0 ||
        ::getsockname(socket.get(), generic, &size) != 0)
        throw_errno("looking for a free port");
    return ntohs(address.sin_port);
}

std::string hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", byte);
        text += digits.data();
    }
    return text;
}

void write_bytes(const fs::path& path, std::span<const u8> bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    // SAFETY: bytes are written as bytes.
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush())
        throw ServerError{"cannot write " + path.string()};
}

} // namespace

Stage::Stage(const Options& options) : options_{options}, port_{free_port()} {}

fs::path Stage::file(const std::string& name) const {
    return directory_.path() / name;
}

void Stage::say(const std::string& line) const {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start_);
    std::printf("== %4llds  %s\n", static_cast<long long>(seconds.count()), line.c_str());
    std::fflush(stdout);
}

void Stage::ravelin(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), options_.build + "/tools/ravelin/ravelin");
    run({.arguments = std::move(arguments), .output = {}, .inherited = {}, .environment = {}},
        120s);
}

void Stage::make_platform() {
    say("a platform: TPM 2.0 with an endorsement key certified by its manufacturer");
    const TpmManufacturer known{file("manufacturer")};
    known.manufacture(file("tpm"));
    if (options_.tampers.contains(Tamper::ek)) {
        say("TAMPER ek: this server has a TPM of another manufacturer");
        const TpmManufacturer other{file("other-manufacturer")};
        fs::remove_all(file("tpm"));
        other.manufacture(file("tpm"));
    }
    tpm_ = std::make_unique<SoftwareTpm>(file("tpm"), file("swtpm.log"));
}

std::string Stage::domain0_command_line() const {
    return std::string{"console=hvc0 panic=1 ravelin.host=demo ravelin.verifier=https://"} +
           verifier_address + ":" + std::to_string(verifier_port) +
           " ravelin.mode=" + (options_.afterwards == Afterwards::keep ? "keep" : "attest");
}

void Stage::write_manifest() const {
    std::ofstream{file("manifest.toml")} << "version = 1\n"
                                            "platform = \"Emulated platform\"\n"
                                            "\n"
                                            "[[domain]]\n"
                                            "id = 0\n"
                                            "name = \"dom0\"\n"
                                            "role = \"domain0\"\n"
                                            "kernel = \"dom0.kernel\"\n"
                                            "ramdisk = \"dom0.initrd\"\n"
                                            "command_line = \""
                                         << domain0_command_line()
                                         << "\"\n"
                                            "memory_mib = 512\n"
                                            "vcpus = 1\n"
                                            "devices = \"all-unassigned\"\n"
                                            "label = \"domain0\"\n";
    ravelin({"manifest",
             "compile",
             file("manifest.toml").string(),
             "--output",
             file("manifest").string()});
}

void Stage::make_files() {
    say("the verifier's identity");
    ravelin({"verifier",
             "init",
             "--directory",
             file("verifier").string(),
             "--address",
             verifier_address});
    say("domain 0: stock kernel " + stock_kernel_modules().filename().string() +
        ", initramfs with the agent, launch manifest");
    ravelin({"kernel",
             "extract",
             stock_kernel_image().string(),
             "--output",
             file("dom0.kernel").string()});
    InitramfsConfig initramfs;
    initramfs.modules = stock_kernel_modules();
    initramfs.programs = {options_.build + "/tools/ravelin/ravelin"};
    initramfs.files = {{file("verifier") / "ca.pem", "/etc/ravelin/verifier-ca.pem"}};
    if (options_.guests == WithGuests::yes) {
        say("two guests: Debian's cloud kernel and its generic one, each with a disk and a NIC");
        guests_ = make_guests(directory_.path());
        initramfs.backends = Backends::present;
        initramfs.files.push_back({guests_->script, "/etc/ravelin/after"});
    }
    write_bytes(file("dom0.initrd"), build_initramfs(initramfs));
    write_manifest();
    fs::copy_file(options_.build + "/hv/ravelin.elf32", file("ravelin.elf32"));
    boot_files_ = {.hypervisor = file("ravelin.elf32"),
                   .hypervisor_arguments = {},
                   .modules = {{file("manifest"), "manifest"},
                               {file("dom0.kernel"), "dom0.kernel"},
                               {file("dom0.initrd"), "dom0.initrd"}}};
}

MachineConfig Stage::machine_config(const fs::path& disk) const {
    MachineConfig config;
    config.boot = UefiDisk{disk};
    config.nic = Nic::virtio;
    config.forwards = {{verifier_address, verifier_port, port_}};
    if (guests_)
        config.extra_arguments = guests_disk_arguments(*guests_);
    return config;
}

void Stage::commission() {
    say("commissioning: the firmware and GRUB alone, to record the reference for PCR 0-7");
    build_uefi_disk(boot_files_, commissioning_config, file("commissioning.img"));
    Machine machine{machine_config(file("commissioning.img")), tpm_.get()};
    machine.wait_for_power_off(120s);
    nlohmann::json reference;
    for (u8 pcr = 0; pcr < 8; ++pcr)
        reference["sha256"][std::to_string(pcr)] = hex(read_pcr(*tpm_, pcr));
    std::ofstream{file("firmware.json")} << reference.dump(2) << "\n";
}

void Stage::predict() {
    say("predicting PCR 8, 9 and 12 from the files");
    std::ofstream{file("grub.cfg")} << grub_config(boot_files_);
    std::vector<std::string> arguments{"predict",
                                       "--firmware",
                                       file("firmware.json").string(),
                                       "--grub-config",
                                       file("grub.cfg").string(),
                                       "--file",
                                       boot_files_.hypervisor.string() + "=/ravelin.elf32"};
    for (const BootModule& module : boot_files_.modules) {
        arguments.emplace_back("--file");
        arguments.push_back(module.file.string() + "=/" + module.name);
    }
    arguments.insert(arguments.end(), {"--output", file("reference.json").string()});
    ravelin(arguments);
}

void Stage::flip_file(Tamper tamper) const {
    static const std::map<Tamper, const char*> names{{Tamper::hypervisor, "ravelin.elf32"},
                                                     {Tamper::kernel, "dom0.kernel"},
                                                     {Tamper::initrd, "dom0.initrd"},
                                                     {Tamper::cmdline, "manifest"},
                                                     {Tamper::manifest, "manifest"}};
    const std::optional<BitFlip> flip = file_flip(tamper);
    if (!flip)
        return;
    const std::string name = names.at(tamper);
    const std::size_t offset = flip_bit(file(name), *flip);
    say("TAMPER: one bit of " + name + " at offset " + std::to_string(offset) + ", in '" +
        std::string{flip->text} + "'");
}

void Stage::tamper_with_files() {
    for (const Tamper tamper : options_.tampers)
        flip_file(tamper);
    say("the disk: GRUB, Ravelin, manifest, kernel, initramfs");
    build_uefi_disk(boot_files_, grub_config(boot_files_), file("boot.img"));
}

void Stage::start_verifier() {
    say("the verifier, on port " + std::to_string(port_));
    verifier_ = std::make_unique<Process>(ProcessOptions{
        .arguments = {options_.build + "/tools/ravelin/ravelin",
                      "verifier",
                      "serve",
                      "--directory",
                      file("verifier").string(),
                      "--port",
                      std::to_string(port_),
                      "--ek-ca",
                      (file("manufacturer") / "issuercert.pem").string(),
                      "--ek-ca",
                      (file("manufacturer") / "swtpm-localca-rootca-cert.pem").string(),
                      "--reference",
                      file("reference.json").string(),
                      "--capture",
                      file("captured").string(),
                      "--once"},
        .output = file("verifier.log"),
        .inherited = {},
        .environment = {}});
}

void Stage::boot() {
    say("power on: UEFI, GRUB, Ravelin, domain 0");
    machine_ = std::make_unique<Machine>(machine_config(file("boot.img")), tpm_.get());
    Console& console = machine_->console();
    console.wait_for("Welcome to GRUB", 60s);
    say("GRUB measures what it loads");
    console.wait_for("[Rr]aveli[nN]", 120s);
    say("Ravelin runs");
    console.wait_for("ravelin-init: network", 180s);
    say("domain 0 runs, its network is up");
    console.wait_for("ravelin-init: mode", 30s);
    say("the agent enrols and attests");
}

Judgement Stage::verdict() {
    const std::optional<int> status = verifier_->wait(120s);
    const std::string said = read_text_file(file("verifier.log"));
    if (!status)
        throw ServerError{"no verdict within 120 s; the verifier said:\n" + last_lines(said) +
                          "the console:\n" + last_lines(machine_->console().text())};
    return {*status, said};
}

Judgement Stage::judge_altered(Tamper tamper) {
    std::string nonce = read_text_file(file("captured") / "nonce");
    std::string evidence = read_text_file(file("captured") / "evidence.json");
    if (tamper == Tamper::nonce) {
        say("TAMPER: the evidence is played back to another challenge, one bit different");
        nonce[0] = nonce[0] == '0' ? '1' : '0';
    } else {
        say(tamper == Tamper::log ? "TAMPER: one bit of the firmware's log on its way"
                                  : "TAMPER: one bit of the quote on its way");
        evidence = tampered_evidence(evidence, tamper);
    }
    std::ofstream{file("altered.json")} << evidence;
    fs::remove(file("verify.log"));
    Process verify{{.arguments = {options_.build + "/tools/ravelin/ravelin",
                                  "verify",
                                  file("altered.json").string(),
                                  "--nonce",
                                  nonce,
                                  "--ak",
                                  (file("captured") / "ak").string(),
                                  "--reference",
                                  file("reference.json").string()},
                    .output = file("verify.log"),
                    .inherited = {},
                    .environment = {}}};
    const std::optional<int> status = verify.wait(30s);
    return {status.value_or(2), read_text_file(file("verify.log"))};
}

Judgement Stage::play_to_the_end() {
    Judgement judgement = verdict();
    for (const Tamper tamper : {Tamper::nonce, Tamper::log, Tamper::quote})
        if (options_.tampers.contains(tamper))
            judgement = judge_altered(tamper);
    return judgement;
}

bool Stage::play_guests() {
    if (!guests_)
        return true;
    Console& console = machine_->console();
    say("domain 0 makes the guests");
    console.wait_for("guests: alpha created", 300s);
    console.wait_for("guests: beta created", 120s);
    say("both run; beta copies alpha's disk over the network to its own");
    const std::string loss =
        console.wait_for("guests: alpha: ping .* ([0-9]+)% packet loss", 300s).at(1);
    say("they ping each other: " + loss + "% packet loss");
    const std::string copied = console.wait_for("guests: beta: copied ([0-9a-f]{64})", 300s).at(1);
    const bool same = copied == guests_->digest;
    say("beta's disk has the SHA-256 " + copied + (same ? ", as alpha's" : ": NOT alpha's"));
    console.wait_for("guests: beta destroyed", 120s);
    say("both powered themselves off and were taken away");
    return loss == "0" && same;
}

void Stage::hand_over_console() {
    if (options_.afterwards == Afterwards::end)
        return;
    say("the console of domain 0 is yours; Ctrl-] ends");
    attach_terminal(machine_->console());
}

} // namespace ravelin::demo

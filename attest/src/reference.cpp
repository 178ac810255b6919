// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/reference.hpp"

#include <crypto/sha.hpp>
#include <wire/manifest.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace ravelin::attest {
namespace {

using Json = nlohmann::json;

Digest hash_of(std::span<const u8> bytes) {
    return crypto::hash<crypto::Sha256>(bytes);
}

Digest hash_of(std::string_view text) {
    const Bytes bytes{text.begin(), text.end()};
    return hash_of(std::span{bytes});
}

std::optional<Digest> digest_from(const Json& value) {
    if (!value.is_string())
        return std::nullopt;
    const auto bytes = from_hex(value.get<std::string>());
    Digest digest{};
    if (!bytes || bytes->size() != digest.size())
        return std::nullopt;
    std::copy(bytes->begin(), bytes->end(), digest.begin());
    return digest;
}

Result<std::map<unsigned, Digest>, std::string> pcr_values(const Json& values) {
    std::map<unsigned, Digest> out;
    for (unsigned pcr = 0; pcr < 8; ++pcr) {
        const std::string name = std::to_string(pcr);
        const auto digest = values.is_object() && values.contains(name)
                                ? digest_from(values.at(name))
                                : std::nullopt;
        if (!digest)
            return Failure{"the reference has no digest for PCR " + name};
        out[pcr] = *digest;
    }
    return out;
}

Digest extended(const Digest& pcr, const Digest& digest) {
    Bytes both{pcr.begin(), pcr.end()};
    both.insert(both.end(), digest.begin(), digest.end());
    return hash_of(std::span{both});
}

/// "/name" of a file that grub.cfg names, and its content.
Result<std::pair<std::string, const Bytes*>, std::string>
find_file(const std::map<std::string, Bytes>& files, const std::string& path) {
    const auto found = files.find(path);
    if (found == files.end())
        return Failure{"grub.cfg loads " + path + ", which is not among the files"};
    return std::pair{path, &found->second};
}

} // namespace

Digest value_after(std::span<const ReferenceEvent> events) {
    Digest value{};
    for (const ReferenceEvent& event : events)
        value = extended(value, event.digest);
    return value;
}

Result<Reference, std::string> decode_reference(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("version") || json["version"] != 1 ||
        !json.contains("firmware") || !json.contains("events") || !json.contains("manifest"))
        return Failure{std::string{"not a reference of version 1"}};
    Reference reference;
    // A reference that names no launch is of the only kind there was.
    const Json launch = json.value("launch", Json("srtm"));
    if (launch != "srtm" && launch != "drtm")
        return Failure{std::string{"the reference is of an unknown kind of launch"}};
    const bool drtm = launch == "drtm";
    reference.launch = drtm ? wire::Launch::drtm : wire::Launch::srtm;
    if (!drtm)
        reference.firmware = RAVELIN_TRY(pcr_values(json["firmware"]));
    const auto manifest = digest_from(json["manifest"]);
    if (!manifest)
        return Failure{std::string{"the reference has no manifest digest"}};
    reference.manifest = *manifest;
    for (const unsigned pcr : drtm ? std::array{17U, 18U, 19U} : std::array{8U, 9U, 12U}) {
        const std::string name = std::to_string(pcr);
        if (!json["events"].contains(name) || !json["events"][name].is_array())
            return Failure{"the reference has no events for PCR " + name};
        auto& events = reference.events[pcr];
        for (const Json& event : json["events"][name]) {
            const auto digest = event.is_object() && event.contains("digest")
                                    ? digest_from(event.at("digest"))
                                    : std::nullopt;
            if (!digest || !event.contains("name") || !event.at("name").is_string())
                return Failure{"an event of PCR " + name + " in the reference is malformed"};
            events.push_back({event.at("name").get<std::string>(), *digest});
        }
    }
    return reference;
}

std::string encode_reference(const Reference& reference) {
    Json json{{"version", 1},
              {"launch", reference.launch == wire::Launch::drtm ? "drtm" : "srtm"},
              {"firmware", Json::object()},
              {"events", Json::object()},
              {"manifest", to_hex(reference.manifest)}};
    for (const auto& [pcr, value] : reference.firmware)
        json["firmware"][std::to_string(pcr)] = to_hex(value);
    for (const auto& [pcr, events] : reference.events) {
        Json& list = json["events"][std::to_string(pcr)] = Json::array();
        for (const ReferenceEvent& event : events)
            list.push_back({{"name", event.name}, {"digest", to_hex(event.digest)}});
    }
    return json.dump(2) + "\n";
}

Result<std::map<unsigned, Digest>, std::string> firmware_reference(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("sha256"))
        return Failure{std::string{"no PCR values of the bank sha256"}};
    auto values = RAVELIN_TRY(pcr_values(json["sha256"]));
    for (const char* action :
         {"Exit Boot Services Invocation", "Exit Boot Services Returned with Success"})
        values[5] = extended(values[5], hash_of(action));
    return values;
}

Result<Reference, std::string> predict_boot_loader(std::string_view config,
                                                   const std::map<std::string, Bytes>& files) {
    Reference reference;
    auto& commands = reference.events[8];
    auto& read = reference.events[9];
    read.push_back({"(hd0,gpt1)/boot/grub/grub.cfg", hash_of(config)});
    std::istringstream lines{std::string{config}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string command;
        std::string path;
        words >> command;
        // GRUB hashes the words it made of the line, joined by one blank: only a line that it would
        // not change is predictable.
        if (line.find_first_of("\\\"'$#{};|&<>~*?\t") != std::string::npos ||
            line.find("  ") != std::string::npos || line.starts_with(' ') || line.ends_with(' '))
            return Failure{"grub.cfg has a line that GRUB would change: " + line};
        commands.push_back({"grub_cmd: " + line, hash_of(line)});
        if (command == "boot")
            continue;
        if (command != "multiboot2" && command != "module2")
            return Failure{"grub.cfg has a line whose measurement is not known: " + line};
        words >> path;
        const auto file = RAVELIN_TRY(find_file(files, path));
        read.push_back({path, hash_of(std::span{*file.second})});
        // What follows the file's name, as the payload will see it.
        const std::size_t rest = line.find(path) + path.size();
        const std::string arguments = rest < line.size() ? line.substr(rest + 1) : "";
        commands.push_back(
            {(command == "module2" ? "module_cmdline: " : "kernel_cmdline: ") + arguments,
             hash_of(arguments)});
    }
    return reference;
}

Result<std::map<std::string, Bytes>, std::string>
boot_modules(std::string_view config, const std::map<std::string, Bytes>& files) {
    std::map<std::string, Bytes> modules;
    std::istringstream lines{std::string{config}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string command;
        std::string path;
        words >> command >> path;
        if (command != "module2")
            continue;
        const auto file = RAVELIN_TRY(find_file(files, path));
        const std::string name = line.substr(line.rfind(' ') + 1);
        if (!modules.emplace(name, *file.second).second)
            return Failure{"grub.cfg has two modules named " + name};
    }
    return modules;
}

Result<Launch, std::string> predict_launch(const std::map<std::string, Bytes>& modules) {
    const auto module = [&](std::string_view name) -> Result<const Bytes*, std::string> {
        const auto found = modules.find(std::string{name});
        if (found == modules.end())
            return Failure{"no module is named " + std::string{name}};
        return &found->second;
    };
    const Bytes& bytes = *RAVELIN_TRY(module("manifest"));
    const auto manifest = wire::Manifest::decode(bytes);
    if (!manifest)
        return Failure{
            "the manifest does not decode: " + std::string{wire::name(manifest.error().kind)} +
            " at offset " + std::to_string(manifest.error().offset)};
    Launch launch{{}, hash_of(std::span{bytes})};
    const auto add = [&](const char* what, std::string_view name, const Digest& digest) {
        launch.events.push_back({"ravelin:" + std::string{what} + ":" + std::string{name}, digest});
    };
    add("manifest", "manifest", launch.manifest);
    for (usize i = 0; i < manifest.value().domain_count(); ++i) {
        const wire::ManifestDomain domain = manifest.value().domain(i);
        const Bytes* kernel = RAVELIN_TRY(module(domain.kernel));
        add("kernel", domain.name, hash_of(std::span{*kernel}));
        if (!domain.ramdisk.empty()) {
            const Bytes* ramdisk = RAVELIN_TRY(module(domain.ramdisk));
            add("ramdisk", domain.name, hash_of(std::span{*ramdisk}));
        }
        add("cmdline", domain.name, hash_of(domain.command_line));
        add("config", domain.name, hash_of(domain.record));
    }
    constexpr std::array<u8, 4> separator{};
    launch.events.push_back({std::string{separator_text}, hash_of(std::span{separator})});
    return launch;
}

} // namespace ravelin::attest

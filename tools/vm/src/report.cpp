// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "report.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace ravelin::vm {
namespace {

using nlohmann::ordered_json;
using wire::control::VmEnd;

std::string hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", unsigned{byte});
        text += digits.data();
    }
    return text;
}

/// "stopped: crash", or the state alone.
std::string state_text(const Summary& one) {
    std::string text = name(one.state);
    if (one.end != VmEnd::none)
        text += std::string{": "} + name(one.end);
    return text;
}

ordered_json json_of(const Summary& one) {
    ordered_json json{{"id", one.domain.raw()},
                      {"name", one.name},
                      {"state", name(one.state)},
                      {"vcpus", one.vcpus},
                      {"memory_kib", one.memory_kib},
                      {"cpu_time_ns", one.cpu_time_ns}};
    if (one.end != VmEnd::none)
        json["end"] = name(one.end);
    return json;
}

} // namespace

std::string list_table(const std::vector<Listed>& domains) {
    std::string text = "  ID  NAME                              MEMORY  VCPUS   CPU TIME  STATE\n";
    for (const auto& [one, why] : domains) {
        std::array<char, 160> line{};
        std::snprintf(line.data(),
                      line.size(),
                      "%4u  %-32s %4llu MiB  %5u  %7.1f s  ",
                      unsigned{one.domain.raw()},
                      one.name.c_str(),
                      static_cast<unsigned long long>(one.memory_kib >> 10),
                      one.vcpus,
                      static_cast<double>(one.cpu_time_ns) / 1e9);
        text += line.data() + state_text(one) + (why.empty() ? "" : ": " + why) + "\n";
    }
    return text;
}

std::string list_json(const std::vector<Listed>& domains) {
    ordered_json json = ordered_json::array();
    for (const auto& [one, why] : domains) {
        json.push_back(json_of(one));
        if (!why.empty())
            json.back()["why"] = why;
    }
    return json.dump(2) + "\n";
}

std::string host_text(const wire::control::HostMemory& memory) {
    const auto mib = [](u64 frames) { return std::to_string(frames >> 8) + " MiB"; };
    return "total memory    " + mib(memory.total_frames) + "\nfree memory     " +
           mib(memory.free_frames) + "\nfree frames     " + std::to_string(memory.free_frames) +
           "\n";
}

std::string info_text(const Details& details, const std::vector<Device>& devices) {
    const Summary& one = details.summary;
    std::string text;
    const auto line = [&text](const char* key, const std::string& value) {
        text += key + std::string(16 - std::string_view{key}.size(), ' ') + value + "\n";
    };
    line("name", one.name);
    line("id", std::to_string(one.domain.raw()));
    line("state", state_text(one));
    if (!details.cause.empty())
        line("cause", details.cause);
    line("label", details.label);
    line("vcpus", std::to_string(one.vcpus));
    line("memory",
         std::to_string(one.memory_kib >> 10) + " MiB, target " +
             std::to_string(details.target_kib >> 10) + " MiB, at most " +
             std::to_string(details.max_memory_kib >> 10) + " MiB");
    line("cpu time", std::to_string(one.cpu_time_ns / 1'000'000) + " ms");
    line("share",
         "weight " + std::to_string(details.schedule.weight) + ", cap " +
             std::to_string(details.schedule.cap) + "%, reservation " +
             std::to_string(details.schedule.reservation) + "%");
    line("launch digest", hex(details.digest.sha256));
    for (const Device& device : devices) {
        line(device.type == "vbd" ? "disk" : "nic",
             device.name + (device.target.empty() ? "" : ", " + device.target) + ", back end " +
                 name(device.back) + ", front end " + name(device.front));
        if (!device.trouble.empty())
            line("  trouble", device.trouble);
    }
    return text;
}

std::string info_json(const Details& details, const std::vector<Device>& devices) {
    ordered_json json = json_of(details.summary);
    json["label"] = details.label;
    json["target_kib"] = details.target_kib;
    json["max_memory_kib"] = details.max_memory_kib;
    json["schedule"] = {{"weight", details.schedule.weight},
                        {"cap", details.schedule.cap},
                        {"reservation", details.schedule.reservation}};
    json["launch_digest"] = hex(details.digest.sha256);
    if (details.summary.end != VmEnd::none) {
        json["cause"] = details.cause;
        json["rip"] = details.rip;
        json["detail"] = details.detail;
    }
    json["devices"] = ordered_json::array();
    for (const Device& device : devices) {
        ordered_json one{{"type", device.type},
                         {"name", device.name},
                         {"back", name(device.back)},
                         {"front", name(device.front)}};
        if (!device.target.empty())
            one["target"] = device.target;
        if (!device.trouble.empty())
            one["trouble"] = device.trouble;
        json["devices"].push_back(std::move(one));
    }
    return json.dump(2) + "\n";
}

} // namespace ravelin::vm

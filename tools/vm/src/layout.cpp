// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/vm/layout.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace ravelin::vm {
namespace {

using May = Permission::May;

std::string text(DomainId domain) {
    return std::to_string(domain.raw());
}

std::string state_text(BusState state) {
    return std::to_string(static_cast<int>(state));
}

/// Domain 0's, and the guest may read.
std::vector<Permission> readable_by(DomainId domain) {
    return {{DomainId{0}, May::nothing}, {domain, May::read}};
}

void add(std::vector<Node>& nodes,
         const std::string& folder,
         const std::vector<std::pair<const char*, std::string>>& values) {
    for (const auto& [key, value] : values)
        nodes.push_back({folder + "/" + key, value, {}});
}

/// The folders of a device's two ends and what all devices have in common.
std::vector<Node>
both_ends(const std::string& type, DomainId domain, u32 device, const std::string& front_state) {
    const std::string front = frontend_path(type, domain, device);
    const std::string back = backend_path(type, domain, device);
    std::vector<Node> nodes;
    nodes.push_back({front, "", {{domain, May::nothing}, {backend_domain, May::read}}});
    nodes.push_back({back, "", {{backend_domain, May::nothing}, {domain, May::read}}});
    add(nodes,
        front,
        {{"backend", back}, {"backend-id", text(backend_domain)}, {"state", front_state}});
    add(nodes,
        back,
        {{"frontend", front},
         {"frontend-id", text(domain)},
         {"online", "1"},
         {"state", state_text(BusState::initialising)}});
    return nodes;
}

} // namespace

const char* name(BusState state) {
    constexpr std::array names{"unknown",
                               "initialising",
                               "waiting for the front end",
                               "initialised",
                               "connected",
                               "closing",
                               "closed"};
    const auto index = static_cast<std::size_t>(state);
    return index < names.size() ? names[index] : "unknown";
}

std::string domain_path(DomainId domain) {
    return "/local/domain/" + text(domain);
}

std::string backend_path(const std::string& type, DomainId domain, u32 device) {
    return domain_path(backend_domain) + "/backend/" + type + "/" + text(domain) + "/" +
           std::to_string(device);
}

std::string frontend_path(const std::string& type, DomainId domain, u32 device) {
    return domain_path(domain) + "/device/" + type + "/" + std::to_string(device);
}

std::vector<Node> domain_nodes(DomainId domain, const Config& config) {
    const std::string base = domain_path(domain);
    const std::vector<Permission> own{{domain, May::nothing}};
    std::vector<Node> nodes;
    nodes.push_back({base, "", readable_by(domain)});
    add(nodes,
        base,
        {{"name", config.name},
         {"domid", text(domain)},
         {"label", config.label},
         {"memory/target", std::to_string(u64{config.memory_mib} << 10)},
         // What its memory map shows it at its start: Linux's balloon takes the difference to what
         // it counts for memory that no target names. `maxmem` is beyond it, by hot-plugging.
         {"memory/static-max", std::to_string(u64{config.memory_mib} << 10)}});
    for (u32 cpu = 0; cpu < config.vcpus; ++cpu)
        nodes.push_back({base + "/cpu/" + std::to_string(cpu) + "/availability", "online", {}});
    nodes.push_back({base + "/control", "", {}});
    // What the guest itself writes: that it heard, what it can do, its errors and its data.
    for (const char* key : {"control/shutdown",
                            "control/feature-poweroff",
                            "control/feature-reboot",
                            "control/feature-suspend",
                            "control/sysrq",
                            "data",
                            "error",
                            "attr"})
        nodes.push_back({base + "/" + key, "", own});
    return nodes;
}

std::vector<Node> disk_nodes(DomainId domain, const Disk& disk, const std::string& physical) {
    std::vector<Node> nodes =
        both_ends("vbd", domain, disk.number, state_text(BusState::initialising));
    add(nodes,
        frontend_path("vbd", domain, disk.number),
        {{"virtual-device", std::to_string(disk.number)}, {"device-type", "disk"}});
    add(nodes,
        backend_path("vbd", domain, disk.number),
        {{"dev", disk.device},
         {"type", "phy"},
         {"device-type", "disk"},
         {"params", disk.target},
         {"mode", disk.access == Access::read_only ? "r" : "w"},
         {"removable", "0"},
         {"bootable", "1"},
         // The back end opens the device when it sees this: last.
         {"physical-device", physical}});
    return nodes;
}

std::vector<Node> nic_nodes(DomainId domain, u32 index, const Nic& nic, const std::string& bridge) {
    std::vector<Node> nodes = both_ends("vif", domain, index, state_text(BusState::initialising));
    const std::string handle = std::to_string(index);
    add(nodes, frontend_path("vif", domain, index), {{"handle", handle}, {"mac", nic.mac}});
    add(nodes,
        backend_path("vif", domain, index),
        {{"handle", handle},
         {"mac", nic.mac},
         {"type", "vif"},
         {"bridge", bridge},
         // netback wants one to be named; joining the bridge is done by `ravelin vm`.
         {"script", "none"}});
    return nodes;
}

std::string bridge_of(const std::string& label) {
    constexpr std::size_t longest = 15 - 3; // IFNAMSIZ with its terminator, less "rv-"
    const bool plain =
        label.size() <= longest && std::all_of(label.begin(), label.end(), [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
    if (plain)
        return "rv-" + label;
    u32 hash = 2166136261u; // FNV-1a
    for (const char c : label)
        hash = (hash ^ static_cast<u8>(c)) * 16777619u;
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "rv-%08x", hash);
    return text.data();
}

std::string vif_name(DomainId domain, u32 index) {
    return "vif" + text(domain) + "." + std::to_string(index);
}

} // namespace ravelin::vm

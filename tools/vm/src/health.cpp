// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/vm/health.hpp"

#include <charconv>

namespace ravelin::vm {
namespace {

/// What xenbus_dev_error() left: Linux's back ends below their own domain's path.
std::string said_by_back_end(Store& store, const Device& device, DomainId domain) {
    return store
        .read(domain_path(backend_domain) + "/error/backend/" + device.type + "/" +
              std::to_string(domain.raw()) + "/" + std::to_string(device.number) + "/error")
        .value_or("");
}

std::string trouble_of(const Device& device,
                       DomainId domain,
                       bool is_writable,
                       Store& store,
                       HostDevices& host_devices) {
    std::string trouble;
    const auto add = [&trouble](const std::string& what) {
        if (!what.empty())
            trouble += (trouble.empty() ? "" : "; ") + what;
    };
    if (!host_devices.is_served(device.type, domain.raw(), device.number))
        add(std::string{"no back end serves it (is the module xen-"} +
            (device.type == "vbd" ? "blkback" : "netback") + " loaded?)");
    else if (device.back == BusState::closing || device.back == BusState::closed)
        add("its back end closed it");
    if (is_writable)
        add(host_devices.write_trouble(device.target));
    const std::string said = said_by_back_end(store, device, domain);
    add(said.empty() ? "" : "its back end said: " + said);
    return trouble;
}

} // namespace

std::optional<u32> store_number(const std::string& text) {
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

BusState bus_state(const std::optional<std::string>& text) {
    const auto value = text ? store_number(*text) : std::nullopt;
    return value && *value <= static_cast<u32>(BusState::closed) ? static_cast<BusState>(*value)
                                                                 : BusState::unknown;
}

std::vector<Device> devices_of(DomainId domain, Store& store, HostDevices& host_devices) {
    std::vector<Device> devices;
    for (const char* type : device_types) {
        const std::string folder =
            domain_path(backend_domain) + "/backend/" + type + "/" + std::to_string(domain.raw());
        for (const std::string& text : store.list(folder)) {
            const auto number = store_number(text);
            if (!number)
                continue;
            const std::string back = backend_path(type, domain, *number);
            const bool is_disk = std::string_view{type} == "vbd";
            Device device{type, *number, {}, {}, {}, {}, {}};
            device.name =
                is_disk ? store.read(back + "/dev").value_or(text) : vif_name(domain, *number);
            device.target = store.read(back + "/params").value_or("");
            device.back = bus_state(store.read(back + "/state"));
            device.front = bus_state(store.read(frontend_path(type, domain, *number) + "/state"));
            const bool is_writable = is_disk && store.read(back + "/mode") == "w";
            device.trouble = trouble_of(device, domain, is_writable, store, host_devices);
            devices.push_back(std::move(device));
        }
    }
    return devices;
}

} // namespace ravelin::vm

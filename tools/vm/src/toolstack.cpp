// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/vm/toolstack.hpp"

#include "tools/vm/error.hpp"
#include "tools/vm/health.hpp"

namespace ravelin::vm {
namespace {

namespace control = wire::control;
using std::chrono::milliseconds;

} // namespace

Toolstack::Toolstack(Hypervisor& hypervisor, Store& store, HostDevices& devices, Patience patience)
    : hypervisor_{hypervisor}, store_{store}, devices_{devices}, patience_{std::move(patience)} {}

bool Toolstack::wait_until(const std::function<bool()>& condition, milliseconds limit) {
    for (milliseconds waited{0}; !condition(); waited += patience_.step) {
        if (waited >= limit)
            return false;
        patience_.sleep(patience_.step);
    }
    return true;
}

void Toolstack::write(const std::vector<Node>& nodes) {
    for (const Node& node : nodes) {
        store_.write(node.path, node.value);
        if (!node.permissions.empty())
            store_.set_permissions(node.path, node.permissions);
    }
}

void Toolstack::wait_for_backend(const std::string& type, DomainId domain, u32 device) {
    const std::string back = backend_path(type, domain, device);
    BusState state{};
    const bool ready = wait_until(
        [&] {
            state = bus_state(store_.read(back + "/state"));
            return state == BusState::init_wait || state == BusState::connected;
        },
        patience_.limit);
    if (ready)
        return;
    const auto error =
        store_.read(domain_path(backend_domain) + "/error/backend/" + type + "/" +
                    std::to_string(domain.raw()) + "/" + std::to_string(device) + "/error");
    throw VmError{"the back end " + type + " " + std::to_string(device) + " is " + name(state) +
                  " after " + std::to_string(patience_.limit.count() / 1000) + " s" +
                  (error ? "; it said: " + *error
                         : "; is the module xen-" +
                               std::string{type == "vbd" ? "blkback" : "netback"} + " loaded?")};
}

void Toolstack::add_disk(DomainId domain, const Disk& disk) {
    const std::string physical = devices_.attach(disk);
    try {
        write(disk_nodes(domain, disk, physical));
    } catch (...) {
        devices_.detach(physical);
        throw;
    }
    wait_for_backend("vbd", domain, disk.number);
}

void Toolstack::add_nic(DomainId domain, u32 index, const Nic& nic, const std::string& bridge) {
    write(nic_nodes(domain, index, nic, bridge));
    wait_for_backend("vif", domain, index);
    const std::string interface = vif_name(domain, index);
    if (!wait_until([&] { return devices_.has_interface(interface); }, patience_.limit))
        throw VmError{"netback made no interface " + interface};
    devices_.join(interface, bridge);
    store_.write(backend_path("vif", domain, index) + "/hotplug-status", "connected");
}

DomainId Toolstack::create(const Config& config, const Images& images, Start start) {
    for (const Summary& other : hypervisor_.list())
        if (other.name == config.name)
            throw VmError{"there is a VM " + config.name + " already: domain " +
                          std::to_string(other.domain.raw()) + ", " + name(other.state)};
    control::VmCreate request;
    request.name = config.name;
    request.memory_mib = config.memory_mib;
    request.max_memory_mib = config.max_memory_mib;
    request.vcpus = config.vcpus;
    request.label = config.label;
    request.schedule = config.schedule;
    request.command_line = config.command_line;
    request.store_domain = backend_domain;
    request.device_domain = backend_domain;
    const DomainId domain = hypervisor_.create(request);
    try {
        hypervisor_.load(domain, control::Image::kernel, images.kernel);
        if (!images.ramdisk.empty())
            hypervisor_.load(domain, control::Image::ramdisk, images.ramdisk);
        hypervisor_.seal(domain);
        const Details details = hypervisor_.info(domain);
        write(domain_nodes(domain, config));
        store_.introduce(domain, details.store_frame, details.store_port);
        for (const Disk& disk : config.disks)
            add_disk(domain, disk);
        for (u32 index = 0; index < config.nics.size(); ++index)
            add_nic(domain, index, config.nics[index], bridge_of(config.label));
        if (start == Start::running)
            hypervisor_.unpause(domain);
    } catch (const VmError& error) {
        try {
            destroy(domain);
        } catch (const VmError& undoing) {
            throw VmError{std::string{error.what()} + "\nand undoing it: " + undoing.what()};
        }
        throw;
    }
    return domain;
}

std::string Toolstack::remove_devices(DomainId domain) {
    std::string stuck;
    for (const char* type : device_types) {
        const std::string folder =
            domain_path(backend_domain) + "/backend/" + type + "/" + std::to_string(domain.raw());
        for (const std::string& device_text : store_.list(folder)) {
            const std::string back = folder + "/" + device_text;
            const u32 device = store_number(device_text).value_or(0);
            const std::string physical = store_.read(back + "/physical-device").value_or("");
            // Without its node the back end lets go, whatever the guest's end does.
            store_.remove(back);
            const bool gone = wait_until(
                [&] { return !devices_.has_backend(type, domain.raw(), device); }, patience_.limit);
            if (!gone)
                stuck += std::string{stuck.empty() ? "" : ", "} + type + " " + device_text;
            else if (!physical.empty())
                devices_.detach(physical);
        }
        store_.remove(folder);
    }
    return stuck;
}

void Toolstack::destroy(DomainId domain, Force force) {
    const Details details = hypervisor_.info(domain);
    bool gone = false;
    if (force == Force::yes)
        gone = hypervisor_.begin_to_destroy(domain);
    else if (details.summary.state == control::VmState::running)
        hypervisor_.pause(domain);
    const std::string stuck = remove_devices(domain);
    store_.release(domain);
    if (!stuck.empty()) {
        // What they hold stays theirs, and nothing else of the domain does.
        if (!gone && !hypervisor_.begin_to_destroy(domain))
            throw VmError{"domain " + std::to_string(domain.raw()) +
                          " is stopped, but back ends do not let go of its memory: " + stuck +
                          "; once they do, `destroy` it again"};
    } else if (!gone) {
        hypervisor_.destroy(domain);
    }
    store_.remove(domain_path(domain));
}

unsigned Toolstack::rejoin(DomainId domain) {
    unsigned count = 0;
    const std::string folder =
        domain_path(backend_domain) + "/backend/vif/" + std::to_string(domain.raw());
    for (const std::string& text : store_.list(folder)) {
        const auto index = store_number(text);
        const auto bridge = store_.read(folder + "/" + text + "/bridge");
        if (!index || !bridge)
            continue;
        const std::string interface = vif_name(domain, *index);
        if (!devices_.has_interface(interface) || devices_.is_joined(interface))
            continue;
        devices_.join(interface, *bridge);
        store_.write(folder + "/" + text + "/hotplug-status", "connected");
        ++count;
    }
    return count;
}

std::vector<Device> Toolstack::devices(DomainId domain) {
    return devices_of(domain, store_, devices_);
}

void Toolstack::wait_for_news(milliseconds limit) {
    store_.wait_for_news(limit);
}

void Toolstack::shut_down(DomainId domain, ShutDown how, milliseconds limit) {
    const auto stopped = [&] {
        return hypervisor_.info(domain).summary.state == control::VmState::stopped;
    };
    const std::string request = domain_path(domain) + "/control/shutdown";
    if (!stopped())
        store_.write(request, how == ShutDown::power_off ? "poweroff" : "reboot");
    if (wait_until(stopped, limit))
        return;
    // A guest that hears the request empties the node.
    const bool heard = store_.read(request).value_or("").empty();
    throw VmError{"domain " + std::to_string(domain.raw()) + " is still running after " +
                  std::to_string(limit.count() / 1000) + " s; it " +
                  (heard ? "heard the request" : "never looked at the request") +
                  ". `destroy` ends it without asking."};
}

void Toolstack::set_memory(DomainId domain, u32 target_mib) {
    hypervisor_.set_memory(domain, target_mib);
    store_.write(domain_path(domain) + "/memory/target", std::to_string(u64{target_mib} << 10));
}

Summary Toolstack::find(const std::string& name_or_number) {
    const auto wanted = store_number(name_or_number);
    const std::vector<Summary> all = hypervisor_.list();
    for (const Summary& one : all)
        if (one.name == name_or_number || (wanted && one.domain.raw() == *wanted))
            return one;
    throw VmError{"there is no VM " + name_or_number};
}

} // namespace ravelin::vm

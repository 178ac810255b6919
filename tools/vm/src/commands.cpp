// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/vm/commands.hpp"

#include "console.hpp"
#include "lifetime.hpp"
#include "report.hpp"
#include "tools/vm/error.hpp"

#include <iostream>

namespace ravelin::vm {
namespace {

using std::chrono::seconds;

/// By name or number.
Summary find(Hypervisor& hypervisor, const std::string& name) {
    for (const Summary& one : hypervisor.list())
        if (one.name == name || std::to_string(one.domain.raw()) == name)
            return one;
    const std::string end = name.find('/') == std::string::npos ? last_end(name) : "";
    throw VmError{"there is no VM " + name + (end.empty() ? "" : "; its last " + end)};
}

/// With its lock: nobody has changed it since it was found.
struct Held {
    Held(Domain0& domain0, const std::string& name)
        : lock{find(domain0.hypervisor, name).name}, vm{find(domain0.hypervisor, name)} {}
    VmLock lock;
    Summary vm;
};

/// Devices, where there is a store to ask.
std::vector<Device> devices_if_known(DomainId domain) {
    try {
        const std::unique_ptr<Store> store = open_store();
        const std::unique_ptr<HostDevices> host_devices = open_host_devices();
        return devices_of(domain, *store, *host_devices);
    } catch (const VmError&) {
        return {};
    }
}

/// What is wrong with it, if anything is.
std::string why(Hypervisor& hypervisor, const Summary& vm) {
    if (vm.end != wire::control::VmEnd::none)
        return hypervisor.info(vm.domain).cause;
    std::string text;
    for (const Device& device : devices_if_known(vm.domain))
        if (!device.trouble.empty())
            text += (text.empty() ? "" : "; ") + device.name + ": " + device.trouble;
    return text;
}

void add_create(CLI::App& app) {
    struct Options {
        std::string file;
        bool paused{false};
    };
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("create", "make a VM from its TOML file, and start it");
    command->add_option("FILE", options->file, "see docs for its keys")->required();
    command->add_flag("--paused", options->paused, "do not start it: `unpause` does");
    command->callback([options] {
        Domain0 domain0;
        const VmLock lock{name_in_file(options->file)};
        const DomainId domain =
            create_from(domain0, options->file, options->paused ? Start::paused : Start::running);
        std::cout << "domain " << domain.raw() << "\n";
    });
}

/// A subcommand on one VM.
CLI::App* add_on_vm(CLI::App& app,
                    const char* name,
                    const char* what,
                    const std::shared_ptr<std::string>& vm) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("VM", *vm, "its name or number")->required();
    return command;
}

void add_reports(CLI::App& app) {
    const auto json = std::make_shared<bool>(false);
    const auto vm = std::make_shared<std::string>();
    CLI::App* list = app.add_subcommand("list", "all domains");
    list->add_flag("--json", *json);
    list->callback([json] {
        Machine machine;
        std::vector<Listed> domains;
        for (const Summary& one : machine.hypervisor.list())
            domains.push_back({one, why(machine.hypervisor, one)});
        std::cout << (*json ? list_json(domains) : list_table(domains));
    });
    app.add_subcommand("host", "the machine's memory")->callback([] {
        Machine machine;
        std::cout << host_text(machine.hypervisor.host_memory());
    });
    CLI::App* info = add_on_vm(app, "info", "all about one VM", vm);
    info->add_flag("--json", *json);
    info->callback([json, vm] {
        Machine machine;
        const DomainId domain = find(machine.hypervisor, *vm).domain;
        const Details details = machine.hypervisor.info(domain);
        const std::vector<Device> devices = devices_if_known(domain);
        std::cout << (*json ? info_json(details, devices) : info_text(details, devices));
    });
}

void add_console(CLI::App& app) {
    const auto vm = std::make_shared<std::string>();
    const auto once = std::make_shared<bool>(false);
    CLI::App* command = add_on_vm(app, "console", "its console; Ctrl-] leaves", vm);
    command->add_flag("--print", *once, "print what it said so far, and end");
    const auto line = std::make_shared<std::string>();
    const auto* type = command->add_option("--type", *line, "type this line, and end");
    command->callback([vm, once, line, type] {
        Machine machine;
        const DomainId domain = find(machine.hypervisor, *vm).domain;
        if (type->count() != 0)
            type_at_console(machine.hypervisor, domain, *line + "\n");
        else if (*once)
            show_console(machine.hypervisor, domain, 0);
        else
            attach_console(machine.hypervisor, domain);
    });
}

void add_running(CLI::App& app) {
    const auto vm = std::make_shared<std::string>();
    const auto wait_seconds = std::make_shared<unsigned>(60);
    add_on_vm(app, "pause", "stop its CPUs", vm)->callback([vm] {
        Machine machine;
        machine.hypervisor.pause(find(machine.hypervisor, *vm).domain);
    });
    add_on_vm(app, "unpause", "let its CPUs run", vm)->callback([vm] {
        Machine machine;
        machine.hypervisor.unpause(find(machine.hypervisor, *vm).domain);
    });
    CLI::App* shutdown =
        add_on_vm(app, "shutdown", "ask it to power off, wait, and take it away", vm);
    shutdown->add_option("--wait", *wait_seconds, "seconds")->capture_default_str();
    shutdown->callback([vm, wait_seconds] {
        Domain0 domain0;
        const Held held{domain0, *vm};
        domain0.toolstack.shut_down(held.vm.domain, ShutDown::power_off, seconds{*wait_seconds});
        destroy(domain0, held.vm, Force::no);
    });
    CLI::App* again = add_on_vm(app, "reboot", "ask it to reboot, wait, and make it again", vm);
    again->add_option("--wait", *wait_seconds, "seconds")->capture_default_str();
    again->callback([vm, wait_seconds] {
        Domain0 domain0;
        const Held held{domain0, *vm};
        const DomainId domain = reboot(domain0, held.vm, seconds{*wait_seconds});
        std::cout << held.vm.name << ": domain " << domain.raw() << "\n";
    });
    const auto force = std::make_shared<bool>(false);
    CLI::App* destroying = add_on_vm(app, "destroy", "take it away without asking", vm);
    destroying->add_flag("--force", *force, "end it before its back ends let go of it");
    destroying->callback([vm, force] {
        Domain0 domain0;
        const Held held{domain0, *vm};
        destroy(domain0, held.vm, *force ? Force::yes : Force::no);
    });
    CLI::App* watch = app.add_subcommand(
        "watch", "do to VMs that end by themselves what their files say, until interrupted");
    watch->callback([] {
        Domain0 domain0;
        Supervisor{domain0}.watch();
    });
}

void add_resources(CLI::App& app) {
    const auto vm = std::make_shared<std::string>();
    const auto mib = std::make_shared<u32>(0);
    const auto schedule = std::make_shared<wire::control::Schedule>();
    CLI::App* memory = add_on_vm(app, "memory", "where its balloon shall go", vm);
    memory->add_option("MIB", *mib)
        ->required()
        ->check(CLI::Range(1u, wire::control::max_vm_memory_mib));
    memory->callback([vm, mib] {
        Domain0 domain0;
        domain0.toolstack.set_memory(find(domain0.hypervisor, *vm).domain, *mib);
    });
    CLI::App* sched = add_on_vm(app, "sched", "its share of the CPUs, shown or set", vm);
    const auto* weight = sched->add_option("--weight", schedule->weight, "relative, 1 to 65535")
                             ->check(CLI::Range(1u, 65535u));
    const auto* cap = sched->add_option("--cap", schedule->cap, "percent of one CPU, 0: none");
    const auto* reservation =
        sched->add_option("--reservation", schedule->reservation, "percent of one CPU, 0: none");
    sched->callback([vm, schedule, weight, cap, reservation] {
        Machine machine;
        const DomainId domain = find(machine.hypervisor, *vm).domain;
        wire::control::Schedule wanted = machine.hypervisor.info(domain).schedule;
        if (weight->count() != 0)
            wanted.weight = schedule->weight;
        if (cap->count() != 0)
            wanted.cap = schedule->cap;
        if (reservation->count() != 0)
            wanted.reservation = schedule->reservation;
        if (weight->count() + cap->count() + reservation->count() != 0)
            machine.hypervisor.set_schedule(domain, wanted);
        std::cout << "weight " << wanted.weight << ", cap " << wanted.cap << "%, reservation "
                  << wanted.reservation << "%\n";
    });
}

} // namespace

void add_commands(CLI::App& app) {
    app.require_subcommand(1);
    add_create(app);
    add_reports(app);
    add_console(app);
    add_running(app);
    add_resources(app);
}

} // namespace ravelin::vm

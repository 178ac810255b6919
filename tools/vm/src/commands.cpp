// SPDX-License-Identifier: Apache-2.0
// See the header. A VM's file is kept beside xenstored's state while the VM lives: `reboot` makes
// the VM from it again.
#include "tools/vm/commands.hpp"

#include "console.hpp"
#include "report.hpp"
#include "tools/vm/error.hpp"
#include "tools/vm/toolstack.hpp"

#include <tools/kernel/kernel_file.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

namespace ravelin::vm {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

void sleep_for(milliseconds time) {
    std::this_thread::sleep_for(time);
}

/// Opened by the commands that need it, not by --help.
struct Machine {
    std::unique_ptr<Channel> channel = open_privcmd();
    Hypervisor hypervisor{*channel, [] { sleep_for(milliseconds{10}); }};
};

struct Domain0 : Machine {
    std::unique_ptr<Store> store = open_store();
    std::unique_ptr<HostDevices> devices = open_host_devices();
    Toolstack toolstack{hypervisor, *store, *devices, Patience{.sleep = sleep_for}};
};

/// Lists that need no store find names by themselves.
DomainId find(Hypervisor& hypervisor, const std::string& name) {
    for (const Summary& one : hypervisor.list())
        if (one.name == name || std::to_string(one.domain.raw()) == name)
            return one.domain;
    throw VmError{"there is no VM " + name};
}

std::string read_file(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    if (!file || fs::is_directory(path))
        throw VmError{path.string() + ": cannot be read"};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::vector<u8> read_bytes(const fs::path& path) {
    const std::string text = read_file(path);
    return {text.begin(), text.end()};
}

fs::path kept_file(const std::string& name) {
    return fs::path{"/run/ravelin/vm"} / (name + ".toml");
}

DomainId create_from(Domain0& domain0, const fs::path& file, Start start) {
    const std::string toml = read_file(file);
    const Config config = parse_config(toml, file.string());
    auto kernel = tools::bootable_kernel(read_bytes(config.kernel));
    if (!kernel)
        throw VmError{config.kernel + ": " + kernel.error()};
    Images images{std::move(kernel).value(), {}};
    if (!config.ramdisk.empty())
        images.ramdisk = read_bytes(config.ramdisk);
    const DomainId domain = domain0.toolstack.create(config, images, start);
    const fs::path kept = kept_file(config.name);
    std::error_code ignored;
    fs::create_directories(kept.parent_path(), ignored);
    if (!(std::ofstream{kept} << toml << std::flush))
        std::cerr << "warning: " << kept.string()
                  << " cannot be written: `reboot` will not find the VM's file\n";
    return domain;
}

void destroy(Domain0& domain0, const Summary& vm) {
    domain0.toolstack.destroy(vm.domain);
    std::error_code ignored;
    fs::remove(kept_file(vm.name), ignored);
}

void reboot(Domain0& domain0, const std::string& name, seconds limit) {
    const Summary vm = domain0.toolstack.find(name);
    const fs::path kept = kept_file(vm.name);
    if (!fs::exists(kept))
        throw VmError{kept.string() + " is not there: " + vm.name + " cannot be made again"};
    domain0.toolstack.shut_down(vm.domain, ShutDown::reboot, limit);
    domain0.toolstack.destroy(vm.domain);
    std::cout << vm.name << ": domain " << create_from(domain0, kept, Start::running).raw() << "\n";
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
        const auto domains = machine.hypervisor.list();
        std::cout << (*json ? list_json(domains) : list_table(domains));
    });
    CLI::App* info = add_on_vm(app, "info", "all about one VM", vm);
    info->add_flag("--json", *json);
    info->callback([json, vm] {
        Machine machine;
        const Details details = machine.hypervisor.info(find(machine.hypervisor, *vm));
        std::cout << (*json ? info_json(details) : info_text(details));
    });
}

void add_console(CLI::App& app) {
    const auto vm = std::make_shared<std::string>();
    const auto once = std::make_shared<bool>(false);
    CLI::App* command = add_on_vm(app, "console", "its console; Ctrl-] leaves", vm);
    command->add_flag("--print", *once, "print what it said so far, and end");
    command->callback([vm, once] {
        Machine machine;
        const DomainId domain = find(machine.hypervisor, *vm);
        if (*once)
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
        machine.hypervisor.pause(find(machine.hypervisor, *vm));
    });
    add_on_vm(app, "unpause", "let its CPUs run", vm)->callback([vm] {
        Machine machine;
        machine.hypervisor.unpause(find(machine.hypervisor, *vm));
    });
    CLI::App* shutdown =
        add_on_vm(app, "shutdown", "ask it to power off, wait, and take it away", vm);
    shutdown->add_option("--wait", *wait_seconds, "seconds")->capture_default_str();
    shutdown->callback([vm, wait_seconds] {
        Domain0 domain0;
        const Summary found = domain0.toolstack.find(*vm);
        domain0.toolstack.shut_down(found.domain, ShutDown::power_off, seconds{*wait_seconds});
        destroy(domain0, found);
    });
    CLI::App* again = add_on_vm(app, "reboot", "ask it to reboot, wait, and make it again", vm);
    again->add_option("--wait", *wait_seconds, "seconds")->capture_default_str();
    again->callback([vm, wait_seconds] {
        Domain0 domain0;
        reboot(domain0, *vm, seconds{*wait_seconds});
    });
    add_on_vm(app, "destroy", "take it away without asking", vm)->callback([vm] {
        Domain0 domain0;
        destroy(domain0, domain0.toolstack.find(*vm));
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
        domain0.toolstack.set_memory(domain0.toolstack.find(*vm).domain, *mib);
    });
    CLI::App* sched = add_on_vm(app, "sched", "its share of the CPUs, shown or set", vm);
    const auto* weight = sched->add_option("--weight", schedule->weight, "relative, 1 to 65535")
                             ->check(CLI::Range(1u, 65535u));
    const auto* cap = sched->add_option("--cap", schedule->cap, "percent of one CPU, 0: none");
    const auto* reservation =
        sched->add_option("--reservation", schedule->reservation, "percent of one CPU, 0: none");
    sched->callback([vm, schedule, weight, cap, reservation] {
        Machine machine;
        const DomainId domain = find(machine.hypervisor, *vm);
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

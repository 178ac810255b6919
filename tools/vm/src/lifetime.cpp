// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "lifetime.hpp"

#include "console.hpp"
#include "tools/vm/error.hpp"

#include <tools/kernel/kernel_file.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace ravelin::vm {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// One that ends sooner than this would end again: it is kept for its operator to look at.
constexpr seconds least_life{10};

void sleep_for(milliseconds time) {
    std::this_thread::sleep_for(time);
}

const fs::path& folder() {
    static const fs::path path{"/run/ravelin/vm"};
    std::error_code ignored;
    fs::create_directories(path, ignored);
    return path;
}

fs::path kept_file(const std::string& name) {
    return folder() / (name + ".toml");
}
fs::path ended_file(const std::string& name) {
    return folder() / (name + ".ended");
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

std::string end_text(const Details& details) {
    std::string text = name(details.summary.end);
    if (!details.cause.empty())
        text += ": " + details.cause;
    return text;
}

/// Its end and its console, before they are gone with it.
void keep_last_words(Hypervisor& hypervisor, DomainId domain) {
    const Details details = hypervisor.info(domain);
    if (details.summary.end == wire::control::VmEnd::none)
        return;
    std::ofstream file{ended_file(details.summary.name), std::ios::binary | std::ios::trunc};
    file << "domain " << details.summary.domain.raw() << " ended: " << end_text(details) << "\n";
    for (u64 offset = 0;;) {
        const ConsolePiece piece = hypervisor.console_read(details.summary.domain, offset);
        if (piece.text.empty())
            return;
        file << piece.text;
        offset = piece.offset + piece.text.size();
    }
}

bool lived_long_enough(const fs::path& kept) {
    std::error_code error;
    const auto made = fs::last_write_time(kept, error);
    return !error && fs::file_time_type::clock::now() - made >= least_life;
}

} // namespace

Machine::Machine()
    : channel{open_privcmd()}, hypervisor{*channel, [] { sleep_for(milliseconds{10}); }} {}

Domain0::Domain0()
    : store{open_store()}, devices{open_host_devices()}, toolstack{hypervisor,
                                                                   *store,
                                                                   *devices,
                                                                   Patience{.sleep = sleep_for}} {}

VmLock::VmLock(const std::string& name, Wait wait)
    : file_{open((folder() / (name + ".lock")).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
    if (file_ < 0)
        throw VmError{"the lock of " + name + ": " + std::strerror(errno)};
    if (flock(file_, LOCK_EX | (wait == Wait::no ? LOCK_NB : 0)) != 0) {
        const int why = errno;
        close(std::exchange(file_, -1));
        if (why != EWOULDBLOCK)
            throw VmError{"the lock of " + name + ": " + std::strerror(why)};
    }
}

VmLock::~VmLock() {
    if (file_ >= 0)
        close(file_);
}

std::string name_in_file(const fs::path& file) {
    return parse_config(read_file(file), file.string()).name;
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
    if (!(std::ofstream{kept} << toml << std::flush))
        std::cerr << "warning: " << kept.string()
                  << " cannot be written: the VM cannot be made again from its file\n";
    return domain;
}

void destroy(Domain0& domain0, const Summary& vm, Force force) {
    keep_last_words(domain0.hypervisor, vm.domain);
    domain0.toolstack.destroy(vm.domain, force);
    std::error_code ignored;
    fs::remove(kept_file(vm.name), ignored);
}

DomainId reboot(Domain0& domain0, const Summary& vm, seconds limit) {
    const fs::path kept = kept_file(vm.name);
    if (!fs::exists(kept))
        throw VmError{kept.string() + " is not there: " + vm.name + " cannot be made again"};
    domain0.toolstack.shut_down(vm.domain, ShutDown::reboot, limit);
    keep_last_words(domain0.hypervisor, vm.domain);
    domain0.toolstack.destroy(vm.domain);
    return create_from(domain0, kept, Start::running);
}

std::string last_end(const std::string& name) {
    std::ifstream file{ended_file(name)};
    std::string line;
    if (!std::getline(file, line))
        return "";
    return line + " (its console: " + ended_file(name).string() + ")";
}

void Supervisor::look() {
    const std::vector<Summary> all = domain0_.hypervisor.list();
    for (const Summary& vm : all) {
        const bool stopped = vm.state == wire::control::VmState::stopped;
        if ((!stopped && vm.state != wire::control::VmState::running) ||
            settled_.contains(vm.domain.raw()))
            continue;
        try {
            if (stopped)
                look_after(vm);
            else
                look_after_nics(vm);
        } catch (const VmError& error) {
            settled_.insert(vm.domain.raw());
            std::cout << "ravelin-vm: " << vm.name << ": " << error.what() << std::endl;
        }
    }
}

void Supervisor::look_after(const Summary& vm) {
    const fs::path kept = kept_file(vm.name);
    const VmLock lock{vm.name, VmLock::Wait::no};
    if (!lock.held())
        return; // somebody is at it
    if (!fs::exists(kept)) {
        settled_.insert(vm.domain.raw()); // none of `create`'s
        return;
    }
    const Details details = domain0_.hypervisor.info(vm.domain);
    Afterwards what = afterwards(parse_config(read_file(kept), kept.string()), vm.end);
    std::string remark;
    if (what == Afterwards::restart && !lived_long_enough(kept)) {
        what = Afterwards::preserve;
        remark = ", because it lived less than 10 s";
    }
    const std::string begin = "ravelin-vm: " + vm.name + " ended: " + end_text(details) + "; ";
    if (what == Afterwards::preserve) {
        settled_.insert(vm.domain.raw());
        std::cout << begin << "kept" << remark << std::endl;
        return;
    }
    if (what == Afterwards::destroy) {
        destroy(domain0_, vm, Force::no);
        std::cout << begin << "destroyed" << std::endl;
        return;
    }
    keep_last_words(domain0_.hypervisor, vm.domain);
    domain0_.toolstack.destroy(vm.domain);
    const DomainId again = create_from(domain0_, kept, Start::running);
    std::cout << begin << "started again: domain " << again.raw() << std::endl;
}

void Supervisor::look_after_nics(const Summary& vm) {
    const VmLock lock{vm.name, VmLock::Wait::no};
    if (lock.held() && domain0_.toolstack.rejoin(vm.domain) != 0)
        std::cout << "ravelin-vm: " << vm.name << ": its network is back" << std::endl;
}

void Supervisor::watch() {
    constexpr seconds at_most{5}; // back ends come back without news
    for (;;) {
        look();
        domain0_.toolstack.wait_for_news(at_most);
    }
}

} // namespace ravelin::vm

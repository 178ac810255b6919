// SPDX-License-Identifier: Apache-2.0
// /init of a Linux system that is measured: notes when it was reached, measures, prints
// "bench.NAME: VALUE" lines, powers off. The kernel's command line says what, by its environment:
// `work=1`, `peer=ADDRESS` for devices. Called as "leave" it is the program that the exec figure
// starts.
#include "readings.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ravelin::bench_init {
namespace {

void mount_file_systems() {
    for (const char* at : {"/dev", "/proc", "/sys", "/tmp"})
        (void)mkdir(at, 0755);
    checked(mount("proc", "/proc", "proc", 0, nullptr), "mount /proc");
    checked(mount("sysfs", "/sys", "sysfs", 0, nullptr), "mount /sys");
    checked(mount("tmpfs", "/tmp", "tmpfs", 0, nullptr), "mount /tmp");
    // Already there where the kernel mounts it by itself.
    if (mount("dev", "/dev", "devtmpfs", 0, nullptr) < 0 && errno != EBUSY)
        checked(-1, "mount /dev");
}

/// Time in which CPU 0 had nothing to do, in nanoseconds [Linux, kernel/time/timer_list.c].
u64 idle_nanoseconds() {
    std::ifstream list{"/proc/timer_list"};
    for (std::string word; list >> word;)
        if (word == ".idle_sleeptime" && list >> word) {
            u64 nanoseconds = 0;
            if (list >> nanoseconds)
                return nanoseconds;
        }
    throw std::runtime_error{"/proc/timer_list does not say how long the CPU idled"};
}

/// What the kernel found its CPU to have, as one line.
std::string cpu_features() {
    std::ifstream processors{"/proc/cpuinfo"};
    for (std::string line; std::getline(processors, line);)
        if (line.starts_with("flags"))
            return line.substr(line.find(':') + 2);
    return {};
}

/// What /etc/modules names, in its order.
void load_modules() {
    std::ifstream list{"/etc/modules"};
    for (std::string path; std::getline(list, path);) {
        const int file = checked(open(path.c_str(), O_RDONLY | O_CLOEXEC), path.c_str());
        checked(syscall(SYS_finit_module, file, "", 0), path.c_str());
        close(file);
    }
}

void measure(u64 reached) {
    mount_file_systems();
    Readings readings;
    readings.add("boot.init", reached);
    readings.add("boot.idle", idle_nanoseconds());
    if (std::getenv("work") != nullptr)
        measure_work(readings);
    if (const char* peer = std::getenv("peer"); peer != nullptr) {
        load_modules();
        measure_devices(readings, peer);
    }
    for (const auto& [name, value] : readings.all())
        std::printf("bench.%s: %llu\n", name.c_str(), static_cast<unsigned long long>(value));
    std::printf("bench.features: %s\nbench.end\n", cpu_features().c_str());
}

[[noreturn]] void power_off() {
    std::fflush(stdout);
    sleep(1); // the console is emptied by interrupts
    reboot(RB_POWER_OFF);
    std::_Exit(1);
}

} // namespace
} // namespace ravelin::bench_init

int main(int argc, char** argv) {
    using namespace ravelin::bench_init;
    const ravelin::u64 reached = ticks();
    if (argc > 1 && std::strcmp(argv[1], "leave") == 0)
        return 0;
    try {
        measure(reached);
    } catch (const std::exception& error) {
        std::printf("bench: failed: %s\n", error.what());
    }
    power_off();
}

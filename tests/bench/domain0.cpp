// SPDX-License-Identifier: Apache-2.0
// In domain 0: makes guests by `ravelin-vm`, notes the time-stamp counter beside each `create`,
// lets them run undisturbed and shows what they said. Prints "bench.NAME.created: TICKS" and the
// like.
#include "readings.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ravelin::bench_init {
namespace {

constexpr const char* toolstack = "/usr/bin/ravelin-vm";

void run_toolstack(const char* verb, const char* subject, const char* option = nullptr) {
    const pid_t pid = checked(fork(), "fork");
    if (pid == 0) {
        const std::array<const char*, 5> arguments{toolstack, verb, subject, option, nullptr};
        execv(toolstack, const_cast<char**>(arguments.data()));
        _exit(127);
    }
    int status = 0;
    checked(waitpid(pid, &status, 0), "waitpid");
    if (status != 0)
        throw std::runtime_error{std::string{"ravelin-vm "} + verb + " " + subject + " failed"};
}

/// The RAM disk's first MiB is there: what was never written is not read from anywhere.
void fill_disk() {
    const int disk = checked(open("/dev/ram0", O_WRONLY), "/dev/ram0");
    const std::array<char, 65536> bytes{1};
    for (int i = 0; i < 16; ++i)
        checked(write(disk, bytes.data(), bytes.size()), "write to /dev/ram0");
    checked(fsync(disk), "fsync of /dev/ram0");
    close(disk);
}

/// The bridge that the guests' label has, with an address of domain 0's.
void make_bridge(const char* name, u32 address) {
    const int any = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    checked(ioctl(any, SIOCBRADDBR, name), "a bridge");
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    const auto set = [&](unsigned long what, u32 value) {
        sockaddr_in internet{};
        internet.sin_family = AF_INET;
        internet.sin_addr.s_addr = htonl(value);
        std::memcpy(&request.ifr_addr, &internet, sizeof(internet));
        checked(ioctl(any, what, &request), "the bridge's address");
    };
    set(SIOCSIFADDR, address);
    set(SIOCSIFNETMASK, 0xffff'ff00);
    request.ifr_flags = IFF_UP;
    checked(ioctl(any, SIOCSIFFLAGS, &request), "bring up the bridge");
    close(any);
}

void create_and_show(const std::string& name, unsigned seconds) {
    const u64 called = ticks();
    run_toolstack("create", ("/bench/" + name + ".toml").c_str());
    const u64 created = ticks();
    sleep(seconds); // it has the machine for itself
    run_toolstack("console", "--print", name.c_str());
    std::printf("bench.%s.called: %llu\nbench.%s.created: %llu\n",
                name.c_str(),
                static_cast<unsigned long long>(called),
                name.c_str(),
                static_cast<unsigned long long>(created));
    std::fflush(stdout);
    run_toolstack("destroy", name.c_str());
}

} // namespace
} // namespace ravelin::bench_init

int main() try {
    using namespace ravelin::bench_init;
    fill_disk();
    make_bridge("rv-bench", 0x0a09'00fe);
    sleep(1); // domain 0's own start-up, the supervisor's among it, is no part of a guest's
    create_and_show("small", 1);
    create_and_show("linux", 5);
    std::printf("bench.end\n");
    return 0;
} catch (const std::exception& error) {
    std::printf("bench: failed: %s\n", error.what());
    return 1;
}

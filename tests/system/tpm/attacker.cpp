// SPDX-License-Identifier: Apache-2.0
// The attacks from inside domain 0: a static program that makes control hypercalls through Linux's
// privcmd, with buffers locked in memory because the hypervisor reads them by virtual address.
#include "attack.hpp"

#include <wire/control.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using namespace ravelin;

/// struct privcmd_hypercall of Linux's <xen/privcmd.h>.
struct PrivcmdHypercall {
    u64 operation;
    u64 arguments[5];
};
constexpr unsigned long ioctl_hypercall =
    _IOC(_IOC_NONE, static_cast<unsigned>('P'), 0, sizeof(PrivcmdHypercall));

/// A buffer that stays in memory.
u8* locked_buffer(usize size) {
    void* memory = mmap(
        nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (memory == MAP_FAILED) {
        std::perror("tpm-attack: mmap");
        _exit(2);
    }
    return static_cast<u8*>(memory);
}

} // namespace

int main() {
    const int privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd < 0) {
        std::perror("tpm-attack: /dev/xen/privcmd");
        return 2;
    }
    u8* const request = locked_buffer(wire::control::max_request);
    u8* const response = locked_buffer(wire::control::max_response);
    const attack::Control control =
        [&](u64 operation, std::span<const u8> bytes, std::span<u8> out) -> i64 {
        std::ranges::copy(bytes, request);
        // SAFETY: the hypercall takes addresses as numbers; the buffers are locked and outlive it.
        PrivcmdHypercall call{wire::control::hypercall,
                              {operation,
                               reinterpret_cast<u64>(request),
                               bytes.size(),
                               reinterpret_cast<u64>(response),
                               std::min(out.size(), wire::control::max_response)}};
        const int result = ioctl(privcmd, ioctl_hypercall, &call);
        if (result < 0)
            return -errno;
        std::copy_n(response, std::min<usize>(static_cast<usize>(result), out.size()), out.begin());
        return result;
    };
    const attack::Report report = [](const std::string& line) {
        std::puts(line.c_str());
        std::fflush(stdout);
    };
    // The kernel's messages would come in the middle of our lines.
    constexpr int console_off = 6; // SYSLOG_ACTION_CONSOLE_OFF
    klogctl(console_off, nullptr, 0);
    attack::show_evidence(control, report);
    const auto outcome = attack::run(control, report);
    std::printf("tpm-attack: done, %u refused, %u failures\n", outcome.refused, outcome.failures);
    return outcome.failures == 0 ? 0 : 1;
}

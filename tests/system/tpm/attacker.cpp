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

/// Past the channel: the registers themselves, in every locality. Nothing answers at an address
/// that is not the domain's.
unsigned registers_that_answer() {
    constexpr off_t registers = 0xfed4'0000;
    constexpr usize locality_size = 0x1000;
    constexpr usize localities = 5;
    const int memory = open("/dev/mem", O_RDWR | O_CLOEXEC | O_SYNC);
    if (memory < 0) {
        std::perror("tpm-attack: /dev/mem");
        return localities;
    }
    void* mapped = mmap(
        nullptr, localities * locality_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, registers);
    if (mapped == MAP_FAILED) {
        std::perror("tpm-attack: mapping the TPM's registers");
        return localities;
    }
    unsigned answering = 0;
    for (usize locality = 0; locality < localities; ++locality) {
        // SAFETY: device registers, mapped above; the write asks for the locality.
        auto* const access = static_cast<volatile u8*>(mapped) + locality * locality_size;
        *access = 0x02;
        answering += *access == 0xff ? 0u : 1u;
    }
    return answering;
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
    auto outcome = attack::run(control, report);
    const unsigned answering = registers_that_answer();
    answering == 0 ? ++outcome.refused : ++outcome.failures;
    report(answering == 0 ? "tpm-attack: touch the TPM's registers: nothing answers"
                          : "tpm-attack: touch the TPM's registers: NOT REFUSED");
    std::printf("tpm-attack: done, %u refused, %u failures\n", outcome.refused, outcome.failures);
    return outcome.failures == 0 ? 0 : 1;
}

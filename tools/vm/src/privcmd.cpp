// SPDX-License-Identifier: Apache-2.0
// Linux's /dev/xen/privcmd [include/uapi/xen/privcmd.h]. The hypervisor reads and writes our memory
// by its address, so what it is given is locked: nothing may be paged out under it.
#include "tools/vm/error.hpp"
#include "tools/vm/hypervisor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ravelin::vm {
namespace {

namespace control = wire::control;

struct PrivcmdHypercall {
    u64 number;
    std::array<u64, 5> arguments;
};
static_assert(sizeof(PrivcmdHypercall) == 48);
constexpr unsigned long ioctl_hypercall = _IOC(_IOC_NONE, 'P', 0, sizeof(PrivcmdHypercall));

/// Request, response and staging, one behind the other, in resident memory.
class LockedMemory {
  public:
    static constexpr usize size = control::max_request + control::max_response + control::max_load;

    LockedMemory()
        : memory_{mmap(nullptr,
                       size,
                       PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                       -1,
                       0)} {
        if (memory_ == MAP_FAILED)
            throw VmError{"no memory for hypercalls: " + std::string{std::strerror(errno)}};
        if (mlock(memory_, size) != 0) {
            const std::string why = std::strerror(errno);
            munmap(memory_, size);
            throw VmError{"no memory could be locked for hypercalls: " + why};
        }
    }
    ~LockedMemory() { munmap(memory_, size); }
    LockedMemory(const LockedMemory&) = delete;
    LockedMemory& operator=(const LockedMemory&) = delete;

    [[nodiscard]] std::span<u8> bytes() { return {static_cast<u8*>(memory_), size}; }
    [[nodiscard]] std::span<u8> request() { return bytes().first(control::max_request); }
    [[nodiscard]] std::span<u8> response() {
        return bytes().subspan(control::max_request, control::max_response);
    }
    [[nodiscard]] std::span<u8> staging() { return bytes().last(control::max_load); }

  private:
    void* memory_;
};

class Privcmd final : public Channel {
  public:
    Privcmd() : device_{open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC)} {
        if (device_ < 0)
            throw VmError{"/dev/xen/privcmd: " + std::string{std::strerror(errno)} +
                          " (this runs in domain 0, with the module xen-privcmd loaded)"};
    }
    ~Privcmd() override { close(device_); }

    i64 call(control::Operation operation,
             std::span<const u8> request,
             std::span<u8> response) override {
        if (request.size() > control::max_request)
            return -control::e2big;
        std::ranges::copy(request, memory_.request().begin());
        const usize capacity = std::min(response.size(), control::max_response);
        PrivcmdHypercall hypercall{control::hypercall,
                                   {static_cast<u64>(operation),
                                    address_of(memory_.request()),
                                    request.size(),
                                    address_of(memory_.response()),
                                    capacity}};
        const int result = ioctl(device_, ioctl_hypercall, &hypercall);
        if (result < 0)
            return -i64{errno};
        const auto size = static_cast<usize>(result);
        if (size > capacity)
            return -control::eio;
        std::ranges::copy(memory_.response().first(size), response.begin());
        return result;
    }
    std::span<u8> staging() override { return memory_.staging(); }

  private:
    static u64 address_of(std::span<u8> bytes) {
        // SAFETY: an address as the number that the hypercall takes.
        return reinterpret_cast<u64>(bytes.data());
    }

    LockedMemory memory_;
    int device_;
};

} // namespace

std::unique_ptr<Channel> open_privcmd() {
    return std::make_unique<Privcmd>();
}

} // namespace ravelin::vm

// SPDX-License-Identifier: Apache-2.0
// See the header. The hypervisor reads and writes the caller's memory by its address, so the
// buffers are locked pages of their own: nothing may be paged out under it.
#include "attest/control_channel.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ravelin::attest {
namespace {

namespace control = wire::control;

/// struct privcmd_hypercall of Linux's include/uapi/xen/privcmd.h.
struct PrivcmdHypercall {
    u64 number;
    std::array<u64, 5> arguments;
};
static_assert(sizeof(PrivcmdHypercall) == 48);
constexpr unsigned long ioctl_hypercall = _IOC(_IOC_NONE, 'P', 0, sizeof(PrivcmdHypercall));

constexpr usize largest_log = usize{1} << 20;

std::string describe_error(i64 result) {
    return std::strerror(static_cast<int>(-result));
}

/// Page-aligned, resident memory of one mapping: request in its first half, response in the second.
class LockedPages {
  public:
    static constexpr usize half = std::max(control::max_request, control::max_response);

    LockedPages() {
        void* memory = mmap(nullptr,
                            2 * half,
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                            -1,
                            0);
        if (memory == MAP_FAILED)
            return;
        if (mlock(memory, 2 * half) != 0) {
            munmap(memory, 2 * half);
            return;
        }
        memory_ = static_cast<u8*>(memory);
    }
    ~LockedPages() {
        if (memory_ != nullptr)
            munmap(memory_, 2 * half);
    }
    LockedPages(const LockedPages&) = delete;
    LockedPages& operator=(const LockedPages&) = delete;

    [[nodiscard]] bool good() const { return memory_ != nullptr; }
    [[nodiscard]] std::span<u8> request() { return {memory_, half}; }
    [[nodiscard]] std::span<u8> response() { return {memory_ + half, half}; }

  private:
    u8* memory_{nullptr};
};

u64 address_of(std::span<u8> bytes) {
    // SAFETY: an address as the number that the hypercall takes.
    return reinterpret_cast<u64>(bytes.data());
}

class Privcmd final : public ControlChannel {
  public:
    explicit Privcmd(int device) : device_{device} {}
    ~Privcmd() override { close(device_); }

    [[nodiscard]] bool good() const { return pages_.good(); }

    i64 call(control::Operation operation,
             std::span<const u8> request,
             std::span<u8> response) override {
        if (request.size() > LockedPages::half)
            return -control::e2big;
        std::ranges::copy(request, pages_.request().begin());
        const usize capacity = std::min(response.size(), LockedPages::half);
        PrivcmdHypercall hypercall{control::hypercall,
                                   {static_cast<u64>(operation),
                                    address_of(pages_.request()),
                                    request.size(),
                                    address_of(pages_.response()),
                                    capacity}};
        const int result = ioctl(device_, ioctl_hypercall, &hypercall);
        if (result < 0)
            return -i64{errno};
        const auto size = static_cast<usize>(result);
        if (size > capacity)
            return -control::eio;
        std::ranges::copy(pages_.response().first(size), response.begin());
        return result;
    }

  private:
    int device_;
    LockedPages pages_;
};

} // namespace

Result<std::unique_ptr<ControlChannel>, std::string> open_privcmd() {
    const int device = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (device < 0)
        return Failure{"/dev/xen/privcmd: " + std::string{std::strerror(errno)} +
                       " (this runs in domain 0, with the module xen-privcmd loaded)"};
    auto channel = std::make_unique<Privcmd>(device);
    if (!channel->good())
        return Failure{std::string{"no memory could be locked for hypercalls"}};
    return std::unique_ptr<ControlChannel>{std::move(channel)};
}

Result<Bytes, std::string> read_log(ControlChannel& channel, control::Log log) {
    Bytes whole;
    std::array<u8, control::max_response> piece{};
    while (whole.size() <= largest_log) {
        const auto request = control::encode(control::LogRequest{log, whole.size()});
        const i64 size = channel.call(control::Operation::log_read, request, piece);
        if (size < 0)
            return Failure{"reading a log of the hypervisor: " + describe_error(size)};
        if (size == 0)
            return whole;
        whole.insert(whole.end(), piece.begin(), piece.begin() + size);
    }
    return Failure{std::string{"a log of the hypervisor does not end"}};
}

Result<Bytes, std::string> request_statement(ControlChannel& channel,
                                             std::span<const u8, 32> nonce) {
    std::array<u8, control::StatementRequest::size> request{};
    std::ranges::copy(nonce, request.begin());
    Bytes response(control::max_response);
    const i64 size = channel.call(control::Operation::statement, request, response);
    if (size < 0)
        return Failure{"asking for a statement: " + describe_error(size)};
    response.resize(static_cast<usize>(size));
    return response;
}

} // namespace ravelin::attest

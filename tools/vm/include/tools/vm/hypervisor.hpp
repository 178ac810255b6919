// SPDX-License-Identifier: Apache-2.0
// The control hypercall's operations on domains [wire/vm_control.hpp] as functions, over a channel
// that is Linux's privcmd in domain 0 and a class in tests.
#pragma once

#include <base/types.hpp>
#include <wire/vm_control.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ravelin::vm {

class Channel {
  public:
    Channel() = default;
    virtual ~Channel() = default;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// The response's length, or a negative errno of the Xen ABI.
    [[nodiscard]] virtual i64 call(wire::control::Operation operation,
                                   std::span<const u8> request,
                                   std::span<u8> response) = 0;
    /// Resident memory whose address the hypervisor can take a piece of an image from.
    [[nodiscard]] virtual std::span<u8> staging() = 0;
};

/// /dev/xen/privcmd. Throws VmError with what is missing.
[[nodiscard]] std::unique_ptr<Channel> open_privcmd();

/// What list and info say, with texts of their own.
struct Summary {
    DomainId domain{};
    wire::control::VmState state{};
    wire::control::VmEnd end{};
    u32 vcpus{};
    u64 memory_kib{};
    u64 cpu_time_ns{};
    std::string name;
};
struct Details {
    Summary summary;
    std::string cause; ///< why it stopped, when the hypervisor has words for it
    u64 rip{};
    u64 detail{};
    u64 max_memory_kib{};
    u64 target_kib{};
    wire::control::Schedule schedule;
    wire::control::LaunchDigest digest;
    std::string label;
    u32 store_port{};
    u64 store_frame{};
};
struct ConsolePiece {
    u64 offset{};
    std::string text;
};

[[nodiscard]] const char* name(wire::control::VmState state);
[[nodiscard]] const char* name(wire::control::VmEnd end);

/// Every function throws VmError: what was asked, for which domain, and the hypervisor's reason.
class Hypervisor {
  public:
    /// `pause` is called between the tries of an operation that the hypervisor continues.
    explicit Hypervisor(Channel& channel, std::function<void()> pause = {});

    [[nodiscard]] DomainId create(const wire::control::VmCreate& request);
    void load(DomainId domain, wire::control::Image image, std::span<const u8> bytes);
    wire::control::LaunchDigest seal(DomainId domain);
    void unpause(DomainId domain);
    void pause(DomainId domain);
    void destroy(DomainId domain);
    /// Stops it for good and gives back what nobody uses; whether that was all of it.
    bool begin_to_destroy(DomainId domain);
    [[nodiscard]] std::vector<Summary> list();
    [[nodiscard]] wire::control::HostMemory host_memory();
    [[nodiscard]] Details info(DomainId domain);
    void set_memory(DomainId domain, u32 target_mib);
    void set_schedule(DomainId domain, const wire::control::Schedule& schedule);
    [[nodiscard]] ConsolePiece console_read(DomainId domain, u64 offset);
    /// How many of the bytes went into the guest's queue.
    [[nodiscard]] usize console_write(DomainId domain, std::string_view text);

  private:
    std::span<const u8>
    call(wire::control::Operation operation, std::span<const u8> request, const std::string& what);
    std::span<const u8>
    on_domain(wire::control::Operation operation, DomainId domain, const char* what);

    Channel& channel_;
    std::function<void()> pause_;
    std::vector<u8> request_;
    std::vector<u8> response_;
};

} // namespace ravelin::vm

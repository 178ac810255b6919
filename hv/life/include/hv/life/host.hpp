// SPDX-License-Identifier: Apache-2.0
// What the life cycle needs of the machine: domains that can be made, filled, stopped and taken
// apart, and facts about them. hv/main implements it; the tests have a model that fails on demand.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/builder/plan.hpp>
#include <wire/vm_control.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace ravelin::hv::life {

enum class Problem : u8 {
    no_such_domain,
    wrong_state, ///< not what a domain in this state can do
    name_taken,
    no_memory,
    too_many,    ///< domains
    bad_image,   ///< images that are no kernel, are incomplete, or do not fit
    bad_request, ///< does not decode, or cannot be
    bad_address, ///< the caller's
    has_devices,
    again, ///< not done yet: the same call goes on
};

/// What a new domain is, beyond what it is filled with.
struct NewDomain {
    DomainId id{};
    std::string_view name{};
    u32 vcpus = 1;
    Bytes memory{};
    DomainId store_domain{};
    wire::control::Schedule schedule{};
};

/// What is known of a domain, whoever made it. Texts live as long as the domain.
struct Facts {
    std::string_view name{};
    u32 vcpus = 0;
    u64 memory_kib = 0;
    u64 max_memory_kib = 0;
    u64 cpu_time_ns = 0;
    bool is_paused = false;
    wire::control::VmEnd end{wire::control::VmEnd::none};
    std::string_view cause{};
    u64 rip = 0;
    u64 detail = 0;
    wire::control::Schedule schedule{};
    u32 store_port = 0;
    u64 store_frame = 0;
    u32 console_port = 0;
    u64 console_frame = 0;
};

constexpr usize max_domains = 64;

class Host {
  public:
    /// A domain without memory that does not run. Nothing is left of it after a failure.
    [[nodiscard]] virtual Status<Problem> create(const NewDomain& domain) = 0;
    /// Gives it memory and fills it; `again` until done, with the same plan. After another failure
    /// destroy() is all that is left.
    [[nodiscard]] virtual Status<Problem> fill(DomainId id, const builder::Plan& plan) = 0;
    /// Keeps it from being run, until as many unpause().
    virtual void pause(DomainId id) = 0;
    virtual void unpause(DomainId id) = 0;
    /// Stops it, and gives back all it had; `again` while something of it is still used. From the
    /// first call on it has no facts.
    [[nodiscard]] virtual Status<Problem> destroy(DomainId id) = 0;

    [[nodiscard]] virtual std::optional<Facts> facts(DomainId id) = 0;
    /// All that have facts, in any order.
    [[nodiscard]] virtual FixedVector<DomainId, max_domains> domains() = 0;
    /// Precondition of these: the domain has facts.
    [[nodiscard]] virtual Status<Problem> set_schedule(DomainId id,
                                                       const wire::control::Schedule& schedule) = 0;
    virtual void set_memory_limit(DomainId id, Bytes limit) = 0;
    /// What the domain said from byte `offset` on; see console::History.
    [[nodiscard]] virtual usize read_console(DomainId id, u64& offset, std::span<u8> into) = 0;
    /// How many bytes its console took.
    [[nodiscard]] virtual u32 type(DomainId id, std::span<const u8> bytes) = 0;

    /// The bytes of frames that the frame allocator gave out.
    [[nodiscard]] virtual std::span<u8> bytes(HostFrame first, u64 count) = 0;
    virtual void
    say(std::string_view domain, std::string_view what, std::span<const u8> digest) = 0;

  protected:
    ~Host() = default;
};

/// Whose hypercall it is.
class Caller {
  public:
    [[nodiscard]] virtual DomainId id() const = 0;
    /// Copies from the caller's virtual addresses; false when they are not all readable.
    [[nodiscard]] virtual bool copy_in(GuestVirtual from, std::span<u8> into) = 0;

  protected:
    ~Caller() = default;
};

} // namespace ravelin::hv::life

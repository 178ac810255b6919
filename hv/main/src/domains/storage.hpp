// SPDX-License-Identifier: Apache-2.0
// What one domain takes of the hypervisor's memory: one contiguous piece of frames, from its
// creation until nothing of it is used any more.
#pragma once

#include "back_end.hpp"

#include <base/int.hpp>
#include <hv/abi/xen_abi.hpp>
#include <hv/builder/plan.hpp>
#include <hv/console/guest_console.hpp>
#include <hv/domain/domain.hpp>
#include <hv/domain/run_loop.hpp>
#include <hv/scheduler/scheduler.hpp>
#include <hv/vlapic/bus.hpp>
#include <hv/vlapic/vlapic.hpp>
#include <wire/vm_control.hpp>

#include <atomic>
#include <span>

namespace ravelin::hv {

struct DomainStorage;

/// A vCPU: its back end, its local APIC, the loop that runs it, and what the scheduler keeps of it,
/// which is used under the scheduler's lock.
struct VcpuStorage final : domain::Waker {
    static constexpr u32 nowhere = ~u32{0};
    VcpuStorage(DomainStorage& owner, VcpuId id, const domain::CpuidPolicy& policy);
    void wake() override;

    GuestCpu cpu;
    vlapic::VirtualLocalApic lapic;
    domain::Vcpu vcpu;
    domain::RunLoop loop;
    DomainStorage& domain;
    /// Every entity the scheduler knows is one.
    struct Seat final : scheduler::Entity {
        explicit Seat(VcpuStorage& vcpu);
        VcpuStorage& owner;
    };
    Seat entity{*this};
    std::atomic<u32> place{nowhere}; ///< the physical CPU that has it; written under the lock
};

/// Makes every CPU that may run a domain forget its cached translations.
struct Shootdown final : stage2::Invalidator {
    explicit Shootdown(DomainStorage& owner) : domain{owner} {}
    void invalidate() override;
    DomainStorage& domain;
};

struct DomainStorage {
    DomainStorage(const domain::Identity& identity, stage2::Layout layout, HostFrame at, u64 size);

    domain::Domain domain;
    abi::DomainState state;
    vlapic::ApicBus apics;
    console::GuestConsole console;
    EventPort console_port{}; ///< 0: it has none of its own
    EventPort store_port{};
    std::optional<HostFrame> console_frame; ///< pinned
    wire::control::Schedule schedule{};
    builder::Progress filling{};
    scheduler::Group group; ///< the scheduler's lock
    Shootdown shootdown{*this};
    std::span<VcpuStorage> vcpus{}; ///< behind this object, in the same frames
    HostFrame first;
    u64 frames;
    bool has_devices{false};
    bool dying{false};                 ///< the directory's lock
    bool being_destroyed{false};       ///< the same lock
    std::atomic<bool> reported{false}; ///< its end was printed
};

} // namespace ravelin::hv

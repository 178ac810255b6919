// SPDX-License-Identifier: Apache-2.0
// What the guest ABI keeps of a domain and of a vCPU. Used on the CPU that runs the vCPU, but for
// the event channels, which have a lock because interrupts of devices and other CPUs raise events
// too.
#pragma once

#include <base/lock.hpp>
#include <base/types.hpp>
#include <hv/abi/events.hpp>
#include <hv/abi/xen.hpp>
#include <hv/domain/vcpu.hpp>
#include <hv/grants/balloon.hpp>
#include <hv/grants/grant_table.hpp>
#include <wire/control.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::abi {

/// A place in a guest's RAM that the hypervisor writes to; its frame may not be unmapped.
struct SharedPlace {
    HostFrame frame{};
    u16 offset{};
    bool pinned{}; ///< in the domain's own RAM; in a page of the hypervisor's if not
};

struct VcpuState {
    std::optional<SharedPlace>
        info; ///< vcpu_info; none until the guest has shown or registered one
    std::optional<GuestVirtual> runstate; ///< where the guest wants its run-state
    std::optional<SharedPlace> time;      ///< a second copy of vcpu_info's time
    std::optional<Vector> upcall_vector;  ///< HVMOP_set_evtchn_upcall_vector
    EventPort timer_port{};               ///< bound to VIRQ_TIMER; port 0 is none
};

/// The one copy of a control request, and its response. Too large for a stack.
struct ControlBuffers {
    std::array<u8, wire::control::max_request> request{};
    std::array<u8, wire::control::max_response> response{};
};

/// Where the domain sees the pages that it shares with the hypervisor.
struct ShownPages {
    std::optional<GuestFrame> shared_info;
    std::array<std::optional<GuestFrame>, grants::GrantTable::most_frames> grants;
};

struct DomainState {
    HostFrame shared_info{};
    Locked<ShownPages> shown;
    grants::GrantTable grants; ///< has its own locks
    grants::Balloon balloon;
    std::array<u64, HVM_NR_PARAMS> parameters{};
    std::array<VcpuState, domain::Domain::max_vcpus> vcpus{};
    Locked<EventChannels> events;
    Locked<ControlBuffers> control;
    u64 start_of_time{}; ///< the TSC at which system time was zero
};

} // namespace ravelin::hv::abi

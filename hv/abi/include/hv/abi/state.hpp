// SPDX-License-Identifier: Apache-2.0
// What the guest ABI keeps of a domain and of a vCPU. Used on the CPU that runs the vCPU, but for
// the event channels, which have a lock because interrupts of devices and other CPUs raise events
// too.
#pragma once

#include <base/lock.hpp>
#include <base/types.hpp>
#include <hv/abi/xen.hpp>
#include <hv/domain/vcpu.hpp>
#include <hv/events/channels.hpp>
#include <hv/grants/balloon.hpp>
#include <hv/grants/grant_table.hpp>
#include <wire/control.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::abi {

using events::SharedPlace;

struct VcpuState {
    std::optional<SharedPlace>
        info;             ///< vcpu_info; none until the guest has shown or registered one
    vcpu_info* info_at{}; ///< the same, mapped; every event goes there
    std::optional<GuestVirtual> runstate; ///< where the guest wants its run-state
    std::optional<SharedPlace> time;      ///< a second copy of vcpu_info's time
    std::optional<Vector> upcall_vector;  ///< HVMOP_set_evtchn_upcall_vector
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

/// Where the domain's event channels deliver to.
class Delivery final : public events::Target {
  public:
    /// `shared` is the page with the domain's shared_info.
    void attach(domain::Domain& domain, std::span<u8, page_size> shared) {
        domain_ = &domain;
        shared_ = shared.data();
    }
    [[nodiscard]] u64* pending_word(u32 index) override;
    [[nodiscard]] u64* mask_word(u32 index) override;
    void notify(VcpuId vcpu, u64 selected) override;
    void raised() override;
    [[nodiscard]] std::span<u8, page_size> bytes(HostFrame frame) override;

  private:
    [[nodiscard]] u64* shared_word(usize offset);
    domain::Domain* domain_{};
    u8* shared_{};
};

struct DomainState {
    HostFrame shared_info{};
    Locked<ShownPages> shown;
    grants::GrantTable grants; ///< has its own locks
    grants::Balloon balloon;
    std::array<u64, HVM_NR_PARAMS> parameters{};
    std::array<VcpuState, domain::Domain::max_vcpus> vcpus{};
    Delivery delivery;
    Locked<events::Channels> events;
    Locked<ControlBuffers> control;
    u64 start_of_time{}; ///< the TSC at which system time was zero
};

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// The ports of one domain's event channels: what each is bound to. Pure; the bits in shared memory
// are set by the caller. [xen/event_channel.h]
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/abi/error.hpp>
#include <hv/abi/xen.hpp>
#include <hv/events/hypervisor_port.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::abi {

enum class PortKind : u8 {
    free,
    reserved,
    unbound,
    interdomain,
    virtual_interrupt,
    inter_processor,
    hypervisor
};

struct Port {
    PortKind kind{PortKind::free};
    VcpuId vcpu{};                      ///< who is told
    DomainId remote_domain{};           ///< unbound: who may bind; interdomain: the other side
    EventPort remote_port{};            ///< interdomain
    u32 virtual_interrupt{};            ///< VIRQ_*
    events::HypervisorPort* consumer{}; ///< hypervisor: who is told of the guest's sends
};

class EventChannels {
  public:
    static constexpr u32 port_count = 1024; ///< 2-level ABI allows 4096; nothing here needs more
    EventChannels() { ports_[0].kind = PortKind::reserved; }

    [[nodiscard]] Result<EventPort, Errno> bind_virtual_interrupt(u32 virq, VcpuId vcpu);
    [[nodiscard]] Result<EventPort, Errno> bind_inter_processor(VcpuId vcpu);
    [[nodiscard]] Result<EventPort, Errno> allocate_unbound(DomainId remote);
    [[nodiscard]] Result<EventPort, Errno> allocate_hypervisor(events::HypervisorPort& consumer);
    /// Connects a new port to one that allocate_unbound() of the same domain made for `self`.
    [[nodiscard]] Result<EventPort, Errno>
    bind_to_own(EventPort remote, DomainId self, VcpuId vcpu);
    [[nodiscard]] Status<Errno> close(EventPort port);
    [[nodiscard]] Status<Errno> bind_vcpu(EventPort port, VcpuId vcpu);

    /// The port, or nothing when out of range.
    [[nodiscard]] std::optional<Port> port(EventPort port) const;
    /// Where a virtual interrupt of a vCPU goes.
    [[nodiscard]] std::optional<EventPort> find_virtual_interrupt(u32 virq, VcpuId vcpu) const;
    /// Closes everything, as EVTCHNOP_reset asks.
    void reset();

  private:
    [[nodiscard]] Result<EventPort, Errno> take(const Port& port);
    [[nodiscard]] bool in_use(EventPort port) const;

    std::array<Port, port_count> ports_{};
};

} // namespace ravelin::hv::abi

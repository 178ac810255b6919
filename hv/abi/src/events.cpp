// SPDX-License-Identifier: Apache-2.0
// Ports and what they are bound to.
#include "hv/abi/events.hpp"

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

/// VIRQs that each vCPU has of its own; the others exist once, on vCPU 0's behalf. [xen/xen.h]
constexpr bool is_per_vcpu(u32 virq) {
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

} // namespace

bool EventChannels::in_use(EventPort port) const {
    return port.raw() < port_count && ports_[port.raw()].kind != PortKind::free &&
           ports_[port.raw()].kind != PortKind::reserved;
}

Result<EventPort, Errno> EventChannels::take(const Port& port) {
    const auto free = std::find_if(
        ports_.begin(), ports_.end(), [](const Port& p) { return p.kind == PortKind::free; });
    if (free == ports_.end())
        return Failure{Errno::no_space};
    *free = port;
    return EventPort{static_cast<u32>(free - ports_.begin())};
}

Result<EventPort, Errno> EventChannels::bind_virtual_interrupt(u32 virq, VcpuId vcpu) {
    if (virq >= NR_VIRQS || (!is_per_vcpu(virq) && vcpu != VcpuId{0}))
        return Failure{Errno::invalid};
    if (find_virtual_interrupt(virq, vcpu))
        return Failure{Errno::exists};
    return take(Port{PortKind::virtual_interrupt, vcpu, {}, {}, virq});
}

Result<EventPort, Errno> EventChannels::bind_inter_processor(VcpuId vcpu) {
    return take(Port{PortKind::inter_processor, vcpu, {}, {}, 0});
}

Result<EventPort, Errno> EventChannels::allocate_unbound(DomainId remote) {
    return take(Port{PortKind::unbound, VcpuId{0}, remote, {}, 0});
}

Result<EventPort, Errno> EventChannels::allocate_hypervisor(events::HypervisorPort& consumer) {
    return take(Port{PortKind::hypervisor, VcpuId{0}, {}, {}, 0, &consumer});
}

Result<EventPort, Errno> EventChannels::bind_to_own(EventPort remote, DomainId self, VcpuId vcpu) {
    if (!in_use(remote) || ports_[remote.raw()].kind != PortKind::unbound ||
        ports_[remote.raw()].remote_domain != self)
        return Failure{Errno::invalid};
    const EventPort port = RAVELIN_TRY(take(Port{PortKind::interdomain, vcpu, self, remote, 0}));
    Port& other = ports_[remote.raw()];
    other.kind = PortKind::interdomain;
    other.remote_port = port;
    return port;
}

Status<Errno> EventChannels::close(EventPort port) {
    if (!in_use(port))
        return Failure{Errno::invalid};
    const Port closed = ports_[port.raw()];
    if (closed.kind == PortKind::hypervisor)
        return Failure{Errno::invalid}; // not the guest's to take down
    ports_[port.raw()] = Port{};
    if (closed.kind == PortKind::interdomain) {
        Port& other = ports_[closed.remote_port.raw()];
        other = Port{PortKind::unbound, other.vcpu, closed.remote_domain, {}, 0};
    }
    return Unit{};
}

Status<Errno> EventChannels::bind_vcpu(EventPort port, VcpuId vcpu) {
    if (!in_use(port))
        return Failure{Errno::invalid};
    Port& bound = ports_[port.raw()];
    // IPIs and per-vCPU VIRQs stay where they are. [xen/event_channel.h EVTCHNOP_bind_vcpu]
    if (bound.kind == PortKind::inter_processor ||
        (bound.kind == PortKind::virtual_interrupt && is_per_vcpu(bound.virtual_interrupt)))
        return Failure{Errno::invalid};
    bound.vcpu = vcpu;
    return Unit{};
}

std::optional<Port> EventChannels::port(EventPort port) const {
    if (port.raw() >= port_count)
        return std::nullopt;
    return ports_[port.raw()];
}

std::optional<EventPort> EventChannels::find_virtual_interrupt(u32 virq, VcpuId vcpu) const {
    const auto found = std::find_if(ports_.begin(), ports_.end(), [virq, vcpu](const Port& p) {
        return p.kind == PortKind::virtual_interrupt && p.virtual_interrupt == virq &&
               (p.vcpu == vcpu || !is_per_vcpu(virq));
    });
    if (found == ports_.end())
        return std::nullopt;
    return EventPort{static_cast<u32>(found - ports_.begin())};
}

void EventChannels::reset() {
    ports_.fill(Port{}); // in place: an empty table does not fit a stack frame
    ports_[0].kind = PortKind::reserved;
}

} // namespace ravelin::hv::abi

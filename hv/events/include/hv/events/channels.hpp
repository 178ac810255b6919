// SPDX-License-Identifier: Apache-2.0
// The event channels of one domain: which port is bound to what, and the delivery of what is raised
// through the 2-level or the FIFO ABI. Pure: the guest's words and vCPUs are behind Target, another
// domain's channels a parameter. Every error is one of the caller's own. [xen/event_channel.h]
#pragma once

#include <base/fixed_vector.hpp>
#include <hv/events/fifo.hpp>
#include <hv/events/hypervisor_port.hpp>
#include <hv/events/port.hpp>
#include <hv/events/target.hpp>

namespace ravelin::hv::events {

/// One end of a channel.
struct End {
    DomainId domain;
    EventPort port;
};

/// What is left of a send once the sender's lock is released.
struct Onward {
    std::optional<End> peer{};  ///< raise it there, as from()
    HypervisorPort* consumer{}; ///< or tell it
};

/// Virtual interrupts that each vCPU has of its own: TIMER, DEBUG, XENOPROF, XENPMU; the others
/// exist once. [xen/xen.h]
[[nodiscard]] constexpr bool is_per_vcpu(u32 virtual_interrupt) {
    constexpr u32 per_vcpu = 1u << 0 | 1u << 1 | 1u << 7 | 1u << 13;
    return (per_vcpu >> virtual_interrupt & 1) != 0;
}

/// Not thread-safe: one lock a domain. Who needs two domains' locks takes the lower domain
/// identifier's first.
class Channels {
  public:
    static constexpr u32 virtual_interrupts = 24;
    static constexpr u32 two_level_ports = 4096;

    /// `memory` provides the pages of the table, `target` is the domain that is told.
    void initialise(DomainId self, TableMemory& memory, Target& target);

    [[nodiscard]] Result<EventPort, Error> bind_virtual_interrupt(u32 virq, VcpuId vcpu);
    [[nodiscard]] Result<EventPort, Error> bind_inter_processor(VcpuId vcpu);
    [[nodiscard]] Result<EventPort, Error> allocate_unbound(DomainId remote);
    [[nodiscard]] Result<EventPort, Error> allocate_hypervisor(HypervisorPort& consumer);
    /// Connects a new port to one of `remote`, this domain's or another's, that waits for this
    /// domain. The new port is raised, in case the peer sent already.
    [[nodiscard]] Result<EventPort, Error> bind_interdomain(Channels& remote, EventPort port);
    /// Closes a port. `peers` are the channels of the domain `peer` names, or nullptr when that
    /// domain is gone; the other end, if there, is unbound then. Error::changed when the port's
    /// peer is in another domain.
    [[nodiscard]] Status<Error> close(EventPort port, DomainId peer, Channels* peers);
    /// The domain that close() wants the channels of: the port's peer's, or this one.
    [[nodiscard]] DomainId peer_domain(EventPort port) const;

    [[nodiscard]] Status<Error> bind_vcpu(EventPort port, VcpuId vcpu);
    [[nodiscard]] Status<Error> set_priority(EventPort port, u32 priority);
    [[nodiscard]] Status<Error> unmask(EventPort port);
    [[nodiscard]] Result<Onward, Error> send(EventPort port);

    /// Marks a port pending.
    void raise(EventPort port);
    /// The same, if the port is connected to that end: what send() left to do.
    void raise_from(End sender, EventPort port);
    void raise_virtual_interrupt(u32 virq, VcpuId vcpu);

    /// What the port is bound to, or nothing when no port has that number.
    [[nodiscard]] std::optional<Port> port(EventPort port) const;
    /// Whether the guest would find the port pending; false for what is no port.
    [[nodiscard]] bool is_pending(EventPort port) const;

    /// FIFO ABI. Places and frames are the guest's RAM, checked by the caller.
    [[nodiscard]] Status<Error> set_control_block(VcpuId vcpu, SharedPlace place);
    [[nodiscard]] Status<Error> add_event_page(HostFrame frame);
    [[nodiscard]] bool uses_fifo() const { return fifo_.is_active(); }
    [[nodiscard]] u32 pinned_frames() const { return fifo_.pinned_frames(); }

    /// The first port from `from` on that is in use; walks what is to be closed.
    [[nodiscard]] std::optional<EventPort> next_used(EventPort from) const;
    /// After the ports were closed: the 2-level ABI again, as EVTCHNOP_reset asks. Pages without
    /// ports go back; unpin(frame) for each of the guest's that the FIFO ABI used.
    template <typename F> void reset(F&& unpin) {
        fifo_.reset(unpin);
        ports_.trim();
    }
    /// A dying domain's: takes down a hypervisor's port too.
    void abandon(EventPort port);

  private:
    static constexpr usize max_consumers = 4;
    [[nodiscard]] u32 limit() const {
        return fifo_.is_active() ? PortTable::most_ports : two_level_ports;
    }
    [[nodiscard]] Result<EventPort, Error> take(const Port& port);
    [[nodiscard]] bool is_busy(u32 number) const;
    [[nodiscard]] Port used(EventPort port) const;
    void raise(u32 number, Port port);
    void raise_two_level(u32 number, VcpuId vcpu);
    void tell_two_level(u32 number, VcpuId vcpu);
    void release(u32 number, const Port& port);

    DomainId self_{};
    Target* target_{};
    PortTable ports_;
    Fifo fifo_;
    /// The port of each virtual interrupt on each vCPU, 0 for none; those that exist once are vCPU
    /// 0's here.
    std::array<std::array<u32, virtual_interrupts>, Fifo::max_vcpus> virtual_{};
    FixedVector<HypervisorPort*, max_consumers> consumers_;
};

} // namespace ravelin::hv::events

// SPDX-License-Identifier: Apache-2.0
// event_channel_op: decodes requests, finds the other domain and takes the locks for hv/events.
// [xen/event_channel.h]
#include "call.hpp"

namespace ravelin::hv::abi {
namespace {

using events::Channels;
using events::PortKind;

static_assert(Channels::virtual_interrupts == NR_VIRQS);
static_assert(Channels::two_level_ports == EVTCHN_2L_NR_CHANNELS);
static_assert(events::Fifo::max_vcpus == domain::Domain::max_vcpus);
static_assert(events::Fifo::link_bits == EVTCHN_FIFO_LINK_BITS);
static_assert(events::Fifo::priorities == EVTCHN_FIFO_MAX_QUEUES);
static_assert(events::Fifo::control_block_size == sizeof(evtchn_fifo_control_block));
static_assert(events::default_priority == EVTCHN_FIFO_PRIORITY_DEFAULT);
static_assert(events::PortTable::most_ports == EVTCHN_FIFO_NR_CHANNELS);

constexpr Errno to_errno(events::Error error) {
    switch (error) {
    case events::Error::exists:
        return Errno::exists;
    case events::Error::out_of_ports:
        return Errno::no_space;
    case events::Error::out_of_frames:
        return Errno::no_memory;
    case events::Error::no_fifo:
        return Errno::not_supported;
    case events::Error::no_priorities:
        return Errno::not_implemented;
    case events::Error::changed:
        return Errno::again;
    case events::Error::invalid:
        break;
    }
    return Errno::invalid;
}

/// What an operation of hv/events came to, as a hypercall's outcome.
template <typename T> Result<T, Errno> convert(const Result<T, events::Error>& result) {
    if (!result)
        return Failure{to_errno(result.error())};
    return result.value();
}
Outcome done(const Status<events::Error>& result) {
    if (!result)
        return Failure{to_errno(result.error())};
    return i64{0};
}

Status<Errno> only_own_domain(const Call& call, domid_t id) {
    if (id != DOMID_SELF && id != call.domain.id().raw())
        return Failure{Errno::not_permitted};
    return Unit{};
}

DomainId named_domain(const Call& call, domid_t id) {
    return id == DOMID_SELF ? call.domain.id() : DomainId{id};
}

Result<VcpuId, Errno> existing_vcpu(const Call& call, u32 id) {
    if (call.domain.vcpu(VcpuId{id}) == nullptr)
        return Failure{Errno::no_entry};
    return VcpuId{id};
}

/// The domain of that identifier, if it is whole: being built or taken down it has no ports.
domain::Reference find(XenAbi& abi, domain::Domain& caller, DomainId id) {
    if (id == caller.id())
        return domain::Reference{caller};
    domain::Reference found = abi.around().directory.find(id);
    return found && found->abi_state() != nullptr ? std::move(found) : domain::Reference{};
}

/// Runs body(channels, other's channels) under the locks of both, the lower identifier's first; the
/// other's are the same for the domain itself, and nullptr when there is no `other`.
template <typename F>
auto with_both(const domain::Domain& domain, const domain::Domain* other, F&& body) {
    Locked<Channels>& own = domain.abi_state()->events;
    if (other == nullptr)
        return own.with([&](Channels& channels) { return body(channels, nullptr); });
    if (other->id() == domain.id())
        return own.with([&](Channels& channels) { return body(channels, &channels); });
    Locked<Channels>& others = other->abi_state()->events;
    const bool own_first = domain.id() < other->id();
    return (own_first ? own : others).with([&](Channels& first) {
        return (own_first ? others : own).with([&](Channels& second) {
            return own_first ? body(first, &second) : body(second, &first);
        });
    });
}

/// A connection may change its peer's domain while the locks are taken, but only by the guest's own
/// doing on another vCPU: that is told to try again.
Status<events::Error> close(XenAbi& abi, domain::Domain& domain, EventPort port) {
    const DomainId peer = domain.abi_state()->events.with(
        [port](const Channels& channels) { return channels.peer_domain(port); });
    const domain::Reference other = find(abi, domain, peer);
    return with_both(
        domain, other ? &*other : nullptr, [port, peer](Channels& channels, Channels* peers) {
            return channels.close(port, peer, peers);
        });
}

u32 status_of(PortKind kind) {
    switch (kind) {
    case PortKind::unbound:
        return EVTCHNSTAT_unbound;
    case PortKind::interdomain:
        return EVTCHNSTAT_interdomain;
    case PortKind::virtual_interrupt:
        return EVTCHNSTAT_virq;
    case PortKind::inter_processor:
        return EVTCHNSTAT_ipi;
    case PortKind::free:
    case PortKind::hypervisor:
        break;
    }
    return EVTCHNSTAT_closed;
}

} // namespace

bool close_ports(XenAbi& abi, domain::Domain& domain, EndOfPorts end) {
    constexpr u32 ports_at_once = 512;
    DomainState& state = *domain.abi_state();
    const auto next = [&state](EventPort from) {
        return state.events.with([from](const Channels& e) { return e.next_used(from); });
    };
    u32 closed = 0;
    for (auto port = next(EventPort{0}); port; port = next(EventPort{port->raw() + 1})) {
        if (closed++ == ports_at_once)
            return false;
        (void)close(abi, domain, *port);
        if (end == EndOfPorts::teardown) // a hypervisor's stays open for reset
            state.events.with([&port](Channels& e) { e.abandon(*port); });
    }
    state.events.with([&abi](Channels& e) {
        e.reset([&abi](HostFrame frame) { abi.around().frames.unpin(frame); });
    });
    return true;
}

Outcome bind_virq(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_virq>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    request.port = RAVELIN_TRY(convert(call.state.events.with([&](Channels& e) {
                       return e.bind_virtual_interrupt(request.virq, vcpu);
                   }))).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome bind_ipi(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_ipi>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    request.port = RAVELIN_TRY(convert(call.state.events.with([vcpu](Channels& e) {
                       return e.bind_inter_processor(vcpu);
                   }))).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome allocate_unbound(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_alloc_unbound>(1));
    (void)RAVELIN_TRY(only_own_domain(call, request.dom));
    const DomainId remote = named_domain(call, request.remote_dom);
    request.port = RAVELIN_TRY(call.abi.allocate_port(call.domain, remote)).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome bind_interdomain(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_interdomain>(1));
    const domain::Reference remote =
        find(call.abi, call.domain, named_domain(call, request.remote_dom));
    if (!remote)
        return Failure{Errno::no_such_domain};
    if (!may_join(call.domain, *remote))
        return Failure{Errno::not_permitted};
    const EventPort port{request.remote_port};
    const auto bound =
        convert(with_both(call.domain, &*remote, [port](Channels& channels, Channels* peers) {
            // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is another end.
            return channels.bind_interdomain(*peers, port);
        }));
    request.local_port = RAVELIN_TRY(bound).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome close_port(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_close>(1));
    return done(close(call.abi, call.domain, EventPort{request.port}));
}

Outcome send(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_send>(1));
    const EventPort port{request.port};
    const auto sent = call.state.events.with([port](Channels& e) { return e.send(port); });
    if (!sent)
        return Failure{to_errno(sent.error())};
    const events::Onward& onward = sent.value();
    if (onward.consumer != nullptr)
        onward.consumer->notified(call.domain, port);
    if (!onward.peer)
        return i64{0};
    if (const domain::Reference peer = find(call.abi, call.domain, onward.peer->domain)) {
        peer->abi_state()->events.with([&](Channels& e) {
            e.raise_from(events::End{call.domain.id(), port}, onward.peer->port);
        });
    }
    return i64{0};
}

Outcome port_status(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_status>(1));
    (void)RAVELIN_TRY(only_own_domain(call, request.dom));
    const auto port =
        call.state.events.with([&](Channels& e) { return e.port(EventPort{request.port}); });
    if (!port)
        return Failure{Errno::invalid};
    if (port->kind == PortKind::hypervisor)
        return Failure{Errno::access};
    request.status = status_of(port->kind);
    request.vcpu = port->vcpu;
    if (port->kind == PortKind::unbound)
        request.u.unbound.dom = port->remote_domain;
    if (port->kind == PortKind::virtual_interrupt)
        request.u.virq = port->virtual_or_peer;
    if (port->kind == PortKind::interdomain) {
        request.u.interdomain.dom = port->remote_domain;
        request.u.interdomain.port = port->remote_port;
    }
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome bind_vcpu(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_bind_vcpu>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    return done(call.state.events.with(
        [&](Channels& e) { return e.bind_vcpu(EventPort{request.port}, vcpu); }));
}

Outcome unmask(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_unmask>(1));
    return done(
        call.state.events.with([&](Channels& e) { return e.unmask(EventPort{request.port}); }));
}

Outcome reset_events(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_reset>(1));
    (void)RAVELIN_TRY(only_own_domain(call, request.dom));
    // What another vCPU binds meanwhile may be lost, as the header says.
    if (close_ports(call.abi, call.domain, EndOfPorts::reset))
        return i64{0};
    call.parts = parts_at_once;
    call.rest = {call.arguments[0], call.arguments[1], call.arguments[2]};
    return i64{0};
}

Outcome init_control(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_init_control>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    std::optional place = RAVELIN_TRY(
        share(call, request.control_gfn, request.offset, events::Fifo::control_block_size));
    const auto set =
        call.state.events.with([&](Channels& e) { return e.set_control_block(vcpu, *place); });
    if (!set) {
        unshare(call.abi, place);
        return done(set);
    }
    request.link_bits = events::Fifo::link_bits;
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome expand_array(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_expand_array>(1));
    if (!call.state.events.with([](const Channels& e) { return e.uses_fifo(); }))
        return Failure{Errno::not_supported};
    std::optional place = RAVELIN_TRY(share(call, request.array_gfn, 0, page_size));
    const auto added =
        call.state.events.with([&](Channels& e) { return e.add_event_page(place->frame); });
    if (!added)
        unshare(call.abi, place);
    return done(added);
}

Outcome set_priority(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_set_priority>(1));
    return done(call.state.events.with(
        [&](Channels& e) { return e.set_priority(EventPort{request.port}, request.priority); }));
}

Result<EventPort, Errno> XenAbi::allocate_port(domain::Domain& domain, DomainId remote) {
    return convert(domain.abi_state()->events.with(
        [remote](Channels& e) { return e.allocate_unbound(remote); }));
}

Result<EventPort, Errno> XenAbi::allocate_hypervisor_port(domain::Domain& domain,
                                                          events::HypervisorPort& consumer) {
    return convert(domain.abi_state()->events.with(
        [&consumer](Channels& e) { return e.allocate_hypervisor(consumer); }));
}

void XenAbi::notify(domain::Domain& domain, EventPort port) {
    domain.abi_state()->events.with([port](Channels& e) { e.raise(port); });
}

void XenAbi::raise_virtual_interrupt(domain::Domain& domain, u32 virq) {
    domain.abi_state()->events.with(
        [virq](Channels& e) { e.raise_virtual_interrupt(virq, VcpuId{0}); });
}

} // namespace ravelin::hv::abi

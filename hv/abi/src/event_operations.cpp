// SPDX-License-Identifier: Apache-2.0
// event_channel_op, and the 2-level bits that a raised port sets. [xen/event_channel.h] [xen/xen.h,
// struct shared_info]
#include "call.hpp"

namespace ravelin::hv::abi {
namespace {

constexpr u32 bits_per_word = 64;
static_assert(offsetof(shared_info, evtchn_pending) % 8 == 0);

/// A word of the domain's shared_info page.
u64* shared_word(domain::Domain& domain, const DomainState& state, usize offset, u32 port) {
    // SAFETY: the page is the hypervisor's own and shown to the guest; the offset is that of an
    // array of 64 words, the port below 4096.
    return reinterpret_cast<u64*>(domain.memory().bytes(state.shared_info).data() + offset) +
           port / bits_per_word;
}
constexpr u64 bit_of(u32 port) {
    return u64{1} << (port % bits_per_word);
}

vcpu_info* info_of(domain::Domain& domain, const VcpuState& vcpu) {
    if (!vcpu.info)
        return nullptr;
    // SAFETY: share() checked that the structure lies in one frame of the domain's RAM, aligned.
    return reinterpret_cast<vcpu_info*>(domain.memory().bytes(vcpu.info->frame).data() +
                                        vcpu.info->offset);
}

/// Tells the vCPU that some port of a word is pending. The order is the guest's order of reading,
/// reversed.
void mark_vcpu(domain::Domain& domain, DomainState& state, VcpuId id, u32 port) {
    domain::Vcpu* vcpu = domain.vcpu(id);
    vcpu_info* info =
        id.raw() < state.vcpus.size() ? info_of(domain, state.vcpus[id.raw()]) : nullptr;
    if (vcpu == nullptr || info == nullptr)
        return;
    // SAFETY: the guest reads and clears these words at the same time: atomic operations, no other
    // use.
    __atomic_fetch_or(&info->evtchn_pending_sel, bit_of(port / bits_per_word), __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&info->evtchn_upcall_pending, u8{1}, __ATOMIC_SEQ_CST) == 0)
        vcpu->request_event_check();
}

Result<domid_t, Errno> own_domain(const Call& call, domid_t id) {
    if (id != DOMID_SELF && id != call.domain.id().raw())
        return Failure{Errno::not_permitted};
    return call.domain.id().raw();
}

Result<VcpuId, Errno> existing_vcpu(const Call& call, u32 id) {
    if (call.domain.vcpu(VcpuId{id}) == nullptr)
        return Failure{Errno::no_entry};
    return VcpuId{id};
}

} // namespace

void raise_port(domain::Domain& domain, DomainState& state, EventPort port) {
    const auto bound =
        state.events.with([port](EventChannels& events) { return events.port(port); });
    if (!bound || bound->kind == PortKind::free || bound->kind == PortKind::reserved)
        return;
    u64* pending = shared_word(domain, state, offsetof(shared_info, evtchn_pending), port.raw());
    const u64* mask = shared_word(domain, state, offsetof(shared_info, evtchn_mask), port.raw());
    if ((__atomic_fetch_or(pending, bit_of(port.raw()), __ATOMIC_SEQ_CST) & bit_of(port.raw())) !=
        0)
        return; // it was pending already; the guest knows or will unmask it
    if ((__atomic_load_n(mask, __ATOMIC_SEQ_CST) & bit_of(port.raw())) == 0)
        mark_vcpu(domain, state, bound->vcpu, port.raw());
}

Outcome bind_virq(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_virq>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    const auto port = RAVELIN_TRY(call.state.events.with(
        [&](EventChannels& events) { return events.bind_virtual_interrupt(request.virq, vcpu); }));
    if (request.virq == VIRQ_TIMER)
        call.state.vcpus[vcpu.raw()].timer_port = port;
    request.port = port.raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome bind_ipi(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_ipi>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    request.port = RAVELIN_TRY(call.state.events.with([vcpu](EventChannels& e) {
                       return e.bind_inter_processor(vcpu);
                   })).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome allocate_unbound(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_alloc_unbound>(1));
    (void)RAVELIN_TRY(own_domain(call, request.dom));
    const DomainId remote =
        request.remote_dom == DOMID_SELF ? call.domain.id() : DomainId{request.remote_dom};
    request.port = RAVELIN_TRY(call.state.events.with([remote](EventChannels& e) {
                       return e.allocate_unbound(remote);
                   })).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

// Only the domain's own ports: there is no other domain to join yet, and joining one will be a
// decision about labels.
Outcome bind_interdomain(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_bind_interdomain>(1));
    (void)RAVELIN_TRY(own_domain(call, request.remote_dom));
    const EventPort remote{request.remote_port};
    request.local_port = RAVELIN_TRY(call.state.events.with([&](EventChannels& e) {
                             return e.bind_to_own(remote, call.domain.id(), call.vcpu.id());
                         })).raw();
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome close_port(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_close>(1));
    (void)RAVELIN_TRY(
        call.state.events.with([&](EventChannels& e) { return e.close(EventPort{request.port}); }));
    u64* pending =
        shared_word(call.domain, call.state, offsetof(shared_info, evtchn_pending), request.port);
    __atomic_fetch_and(pending, ~bit_of(request.port), __ATOMIC_SEQ_CST);
    for (VcpuState& vcpu : call.state.vcpus) {
        if (vcpu.timer_port.raw() == request.port)
            vcpu.timer_port = EventPort{0};
    }
    return i64{0};
}

Outcome send(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_send>(1));
    const auto port =
        call.state.events.with([&](EventChannels& e) { return e.port(EventPort{request.port}); });
    if (!port)
        return Failure{Errno::invalid};
    switch (port->kind) {
    case PortKind::interdomain:
        raise_port(call.domain, call.state, port->remote_port);
        return i64{0};
    case PortKind::inter_processor:
        raise_port(call.domain, call.state, EventPort{request.port});
        return i64{0};
    case PortKind::unbound:
        return i64{0}; // nobody listens: silently dropped, as Xen does
    case PortKind::hypervisor:
        port->consumer->notified(call.domain, EventPort{request.port});
        return i64{0};
    case PortKind::free:
    case PortKind::reserved:
    case PortKind::virtual_interrupt:
        break;
    }
    return Failure{Errno::invalid};
}

Outcome port_status(Call& call) {
    auto request = RAVELIN_TRY(call.read<evtchn_status>(1));
    (void)RAVELIN_TRY(own_domain(call, request.dom));
    const auto port =
        call.state.events.with([&](EventChannels& e) { return e.port(EventPort{request.port}); });
    if (!port)
        return Failure{Errno::invalid};
    request.vcpu = port->vcpu.raw();
    switch (port->kind) {
    case PortKind::free:
    case PortKind::reserved:
        request.status = EVTCHNSTAT_closed;
        break;
    case PortKind::hypervisor:
        return Failure{Errno::access};
    case PortKind::unbound:
        request.status = EVTCHNSTAT_unbound;
        request.u.unbound.dom = port->remote_domain.raw();
        break;
    case PortKind::interdomain:
        request.status = EVTCHNSTAT_interdomain;
        request.u.interdomain.dom = port->remote_domain.raw();
        request.u.interdomain.port = port->remote_port.raw();
        break;
    case PortKind::virtual_interrupt:
        request.status = EVTCHNSTAT_virq;
        request.u.virq = port->virtual_interrupt;
        break;
    case PortKind::inter_processor:
        request.status = EVTCHNSTAT_ipi;
        break;
    }
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome bind_vcpu(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_bind_vcpu>(1));
    const VcpuId vcpu = RAVELIN_TRY(existing_vcpu(call, request.vcpu));
    (void)RAVELIN_TRY(call.state.events.with(
        [&](EventChannels& e) { return e.bind_vcpu(EventPort{request.port}, vcpu); }));
    return i64{0};
}

Outcome unmask(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_unmask>(1));
    const auto port =
        call.state.events.with([&](EventChannels& e) { return e.port(EventPort{request.port}); });
    if (!port)
        return Failure{Errno::invalid};
    u64* mask =
        shared_word(call.domain, call.state, offsetof(shared_info, evtchn_mask), request.port);
    const u64* pending =
        shared_word(call.domain, call.state, offsetof(shared_info, evtchn_pending), request.port);
    const u64 bit = bit_of(request.port);
    const bool was_masked = (__atomic_fetch_and(mask, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
    if (was_masked && (__atomic_load_n(pending, __ATOMIC_SEQ_CST) & bit) != 0)
        mark_vcpu(call.domain, call.state, port->vcpu, request.port);
    return i64{0};
}

Outcome reset_events(Call& call) {
    const auto request = RAVELIN_TRY(call.read<evtchn_reset>(1));
    (void)RAVELIN_TRY(own_domain(call, request.dom));
    call.state.events.with([](EventChannels& e) { e.reset(); });
    for (VcpuState& vcpu : call.state.vcpus)
        vcpu.timer_port = EventPort{0};
    return i64{0};
}

Result<EventPort, Errno> XenAbi::allocate_port(domain::Domain& domain, DomainId remote) {
    return domain.abi_state()->events.with(
        [remote](EventChannels& e) { return e.allocate_unbound(remote); });
}

Result<EventPort, Errno> XenAbi::allocate_hypervisor_port(domain::Domain& domain,
                                                          events::HypervisorPort& consumer) {
    return domain.abi_state()->events.with(
        [&consumer](EventChannels& e) { return e.allocate_hypervisor(consumer); });
}

void XenAbi::notify(domain::Domain& domain, EventPort port) {
    raise_port(domain, *domain.abi_state(), port);
}

void XenAbi::raise_virtual_interrupt(domain::Domain& domain, u32 virq) {
    DomainState& state = *domain.abi_state();
    const auto port = state.events.with(
        [virq](EventChannels& e) { return e.find_virtual_interrupt(virq, VcpuId{0}); });
    if (port)
        raise_port(domain, state, *port);
}

void XenAbi::deliver_events(domain::Vcpu& vcpu) {
    DomainState& state = *vcpu.domain().abi_state();
    VcpuState& own = state.vcpus[vcpu.id().raw()];
    const vcpu_info* info = info_of(vcpu.domain(), own);
    if (info == nullptr || __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) == 0)
        return;
    if (own.upcall_vector) {
        vcpu.lapic().raise(*own.upcall_vector);
        return;
    }
    // HVM_PARAM_CALLBACK_IRQ of type "vector": bits 63:56 are 2. [xen/hvm/params.h]
    const u64 via = state.parameters[HVM_PARAM_CALLBACK_IRQ];
    constexpr unsigned type_shift = 56;
    if (via >> type_shift == HVM_PARAM_CALLBACK_TYPE_VECTOR)
        vcpu.raise_upcall(Vector{static_cast<u8>(via)});
}

} // namespace ravelin::hv::abi

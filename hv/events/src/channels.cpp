// SPDX-License-Identifier: Apache-2.0
#include "hv/events/channels.hpp"

namespace ravelin::hv::events {
namespace {

constexpr u32 bits_per_word = 64;
constexpr u64 bit_of(u32 number) {
    return u64{1} << (number % bits_per_word);
}

} // namespace

void Channels::initialise(DomainId self, TableMemory& memory, Target& target) {
    self_ = self;
    target_ = &target;
    ports_.initialise(memory);
}

// A port whose last event the guest has not taken yet would hand that event to its next user.
bool Channels::is_busy(u32 number) const {
    if (fifo_.is_active())
        return fifo_.is_linked(number, *target_);
    return (__atomic_load_n(target_->pending_word(number / bits_per_word), __ATOMIC_SEQ_CST) &
            bit_of(number)) != 0;
}

Result<EventPort, Error> Channels::take(const Port& port) {
    return EventPort{
        RAVELIN_TRY(ports_.take(port, limit(), [this](u32 number) { return is_busy(number); }))};
}

Port Channels::used(EventPort port) const {
    return port.raw() < limit() ? ports_.get(port.raw()) : Port{};
}

Result<EventPort, Error> Channels::bind_virtual_interrupt(u32 virq, VcpuId vcpu) {
    if (virq >= virtual_interrupts || (!is_per_vcpu(virq) && vcpu != VcpuId{0}))
        return Failure{Error::invalid};
    u32& bound = virtual_[vcpu.raw()][virq];
    if (bound != 0)
        return Failure{Error::exists};
    Port port{};
    port.kind = PortKind::virtual_interrupt;
    port.vcpu = static_cast<u8>(vcpu.raw());
    port.virtual_or_peer = virq;
    const EventPort made = RAVELIN_TRY(take(port));
    bound = made.raw();
    return made;
}

Result<EventPort, Error> Channels::bind_inter_processor(VcpuId vcpu) {
    Port port{};
    port.kind = PortKind::inter_processor;
    port.vcpu = static_cast<u8>(vcpu.raw());
    return take(port);
}

Result<EventPort, Error> Channels::allocate_unbound(DomainId remote) {
    Port port{};
    port.kind = PortKind::unbound;
    port.remote_domain = remote.raw();
    return take(port);
}

Result<EventPort, Error> Channels::allocate_hypervisor(HypervisorPort& consumer) {
    Port port{};
    port.kind = PortKind::hypervisor;
    for (HypervisorPort* known : consumers_) {
        if (known == &consumer)
            return take(port);
        ++port.virtual_or_peer;
    }
    if (!consumers_.push_back(&consumer))
        return Failure{Error::out_of_ports};
    return take(port);
}

Result<EventPort, Error> Channels::bind_interdomain(Channels& remote, EventPort port) {
    const Port waiting = remote.used(port);
    if (waiting.kind != PortKind::unbound || waiting.remote_domain != self_.raw())
        return Failure{Error::invalid};
    Port local{};
    local.kind = PortKind::interdomain;
    local.remote_domain = remote.self_.raw();
    local.remote_port = port.raw();
    const EventPort made = RAVELIN_TRY(take(local));
    Port other = remote.ports_.get(port.raw());
    other.kind = PortKind::interdomain;
    other.remote_port = made.raw();
    remote.ports_.set(port.raw(), other);
    raise(made);
    return made;
}

DomainId Channels::peer_domain(EventPort port) const {
    const Port here = used(port);
    return here.kind == PortKind::interdomain ? DomainId{here.remote_domain} : self_;
}

void Channels::release(u32 number, const Port& port) {
    if (port.kind == PortKind::virtual_interrupt)
        virtual_[is_per_vcpu(port.virtual_or_peer) ? port.vcpu : 0][port.virtual_or_peer] = 0;
    ports_.free(number);
    if (fifo_.is_active())
        fifo_.clear_pending(number, *target_);
    else
        __atomic_fetch_and(
            target_->pending_word(number / bits_per_word), ~bit_of(number), __ATOMIC_SEQ_CST);
}

Status<Error> Channels::close(EventPort port, DomainId peer, Channels* peers) {
    const Port closed = used(port);
    if (closed.kind == PortKind::free || closed.kind == PortKind::hypervisor)
        return Failure{Error::invalid};
    if (closed.kind == PortKind::interdomain) {
        if (closed.remote_domain != peer.raw())
            return Failure{Error::changed};
        const EventPort there{closed.remote_port};
        Port other = peers == nullptr ? Port{} : peers->used(there);
        if (other.kind == PortKind::interdomain && other.remote_domain == self_.raw() &&
            other.remote_port == port.raw()) {
            other.kind = PortKind::unbound;
            other.remote_port = 0;
            peers->ports_.set(there.raw(), other);
        }
    }
    release(port.raw(), closed);
    return Unit{};
}

void Channels::abandon(EventPort port) {
    if (const Port here = used(port); here.kind != PortKind::free)
        release(port.raw(), here);
}

Status<Error> Channels::bind_vcpu(EventPort port, VcpuId vcpu) {
    Port bound = used(port);
    if (bound.kind == PortKind::free || bound.kind == PortKind::inter_processor ||
        (bound.kind == PortKind::virtual_interrupt && is_per_vcpu(bound.virtual_or_peer)))
        return Failure{Error::invalid};
    bound.vcpu = static_cast<u8>(vcpu.raw());
    ports_.set(port.raw(), bound);
    return Unit{};
}

Status<Error> Channels::set_priority(EventPort port, u32 priority) {
    Port bound = used(port);
    if (bound.kind == PortKind::free)
        return Failure{Error::invalid};
    if (!fifo_.is_active())
        return Failure{Error::no_priorities};
    if (priority >= Fifo::priorities)
        return Failure{Error::invalid};
    bound.priority = static_cast<u8>(priority);
    ports_.set(port.raw(), bound);
    return Unit{};
}

Status<Error> Channels::unmask(EventPort port) {
    if (port.raw() >= limit())
        return Failure{Error::invalid};
    const u32 number = port.raw();
    const Port here = ports_.get(number);
    if (here.kind == PortKind::free)
        return Unit{};
    if (fifo_.is_active()) {
        if (fifo_.unmask(number, *target_))
            raise(number, here);
        return Unit{};
    }
    const u32 word = number / bits_per_word;
    const u64 was = __atomic_fetch_and(target_->mask_word(word), ~bit_of(number), __ATOMIC_SEQ_CST);
    if ((was & __atomic_load_n(target_->pending_word(word), __ATOMIC_SEQ_CST) & bit_of(number)) !=
        0)
        tell_two_level(number, VcpuId{here.vcpu});
    return Unit{};
}

Result<Onward, Error> Channels::send(EventPort port) {
    const Port from = used(port);
    switch (from.kind) {
    case PortKind::interdomain:
        if (from.remote_domain != self_.raw())
            return Onward{End{DomainId{from.remote_domain}, EventPort{from.remote_port}}, nullptr};
        raise_from(End{self_, port}, EventPort{from.remote_port});
        return Onward{};
    case PortKind::inter_processor:
        raise(port.raw(), from);
        return Onward{};
    case PortKind::hypervisor:
        return Onward{std::nullopt, consumers_[from.virtual_or_peer]};
    case PortKind::unbound:
        return Onward{}; // nobody listens
    case PortKind::free:
    case PortKind::virtual_interrupt:
        break;
    }
    return Failure{Error::invalid};
}

void Channels::raise(EventPort port) {
    if (const Port here = used(port); here.kind != PortKind::free)
        raise(port.raw(), here);
}

void Channels::raise_from(End sender, EventPort port) {
    const Port here = used(port);
    if (here.kind == PortKind::interdomain && here.remote_domain == sender.domain.raw() &&
        here.remote_port == sender.port.raw())
        raise(port.raw(), here);
}

void Channels::raise_virtual_interrupt(u32 virq, VcpuId vcpu) {
    if (const u32 number = virtual_[vcpu.raw()][virq]; number != 0)
        raise(EventPort{number});
}

void Channels::raise(u32 number, Port port) {
    if (fifo_.is_active()) {
        fifo_.raise(number, port, *target_);
        ports_.set(number, port);
    } else {
        raise_two_level(number, VcpuId{port.vcpu});
    }
    target_->raised();
}

void Channels::raise_two_level(u32 number, VcpuId vcpu) {
    const u32 word = number / bits_per_word;
    const u64 bit = bit_of(number);
    if ((__atomic_fetch_or(target_->pending_word(word), bit, __ATOMIC_SEQ_CST) & bit) != 0)
        return; // it was pending already; the guest knows or will unmask it
    if ((__atomic_load_n(target_->mask_word(word), __ATOMIC_SEQ_CST) & bit) == 0)
        tell_two_level(number, vcpu);
}

/// The order is the guest's order of reading, reversed.
void Channels::tell_two_level(u32 number, VcpuId vcpu) {
    target_->notify(vcpu, bit_of(number / bits_per_word));
}

std::optional<Port> Channels::port(EventPort port) const {
    if (port.raw() >= limit())
        return std::nullopt;
    return ports_.get(port.raw());
}

bool Channels::is_pending(EventPort port) const {
    const Port here = used(port);
    if (here.kind == PortKind::free)
        return false;
    if (fifo_.is_active())
        return here.pending != 0 || fifo_.is_pending(port.raw(), *target_);
    return is_busy(port.raw());
}

Status<Error> Channels::set_control_block(VcpuId vcpu, SharedPlace place) {
    const bool first = !fifo_.is_active();
    // What is pending the old way is raised again when there are words for it.
    for (auto next = first ? ports_.next_used(0) : std::nullopt; next;
         next = ports_.next_used(*next + 1)) {
        Port port = ports_.get(*next);
        port.pending = is_busy(*next) ? 1 : 0;
        port.priority = default_priority;
        ports_.set(*next, port);
    }
    return fifo_.set_control_block(vcpu, place);
}

Status<Error> Channels::add_event_page(HostFrame frame) {
    const u32 first = RAVELIN_TRY(fifo_.add_page(frame));
    for (auto next = ports_.next_used(first); next && *next < first + Fifo::words_per_page;
         next = ports_.next_used(*next + 1)) {
        Port port = ports_.get(*next);
        if (port.pending == 0)
            continue;
        port.pending = 0;
        raise(*next, port);
    }
    return Unit{};
}

std::optional<EventPort> Channels::next_used(EventPort from) const {
    if (const auto next = ports_.next_used(from.raw()))
        return EventPort{*next};
    return std::nullopt;
}

} // namespace ravelin::hv::events

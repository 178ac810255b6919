// SPDX-License-Identifier: Apache-2.0
// Sequences of event operations of two domains whose shared pages hold anything: nothing but the
// registered pages is written, and both ends of a connection always name one another.
#include <base/cursor.hpp>

#include <support/event_world.hpp>

using namespace ravelin;
using namespace hv::events;

namespace {
/// One operation of `own`, whose channels are `a`; `b` are the other domain's.
void operate(
    u32 what, Channels& a, Channels& b, test::EventDomain& own, EventPort port, u32 value) {
    const DomainId peer{static_cast<u16>(3 - own.id.raw())};
    const VcpuId vcpu{value % 4};
    switch (what) {
    case 0:
        (void)a.allocate_unbound(value % 4 == 0 ? own.id : peer).is_ok();
        break;
    case 1:
        (void)a.bind_interdomain(value % 4 == 0 ? a : b, port).is_ok();
        break;
    case 2:
        (void)a.close(port, value % 4 == 0 ? own.id : peer, value % 4 == 0 ? &a : &b).is_ok();
        break;
    case 3:
        (void)a.bind_virtual_interrupt(value, vcpu).is_ok();
        break;
    case 4:
        (void)a.bind_inter_processor(vcpu).is_ok();
        break;
    case 5:
        (void)a.bind_vcpu(port, vcpu).is_ok();
        break;
    case 6:
        (void)a.set_priority(port, value).is_ok();
        break;
    case 7:
        (void)a.unmask(port).is_ok();
        break;
    case 8:
        (void)a.set_control_block(vcpu, {HostFrame{0}, static_cast<u16>(vcpu.raw() * 128), true})
            .is_ok();
        break;
    case 9:
        (void)a.add_event_page(HostFrame{1}).is_ok();
        break;
    case 10:
        own.event(port.raw()) = value * 0x01010101u;
        break;
    case 11:
        own.word(0, value % 128) = port.raw() * 0x01010101u;
        break;
    case 12:
        a.raise_virtual_interrupt(value % 24, vcpu);
        break;
    default:
        if (const auto sent = a.send(port);
            sent && sent.value().peer && sent.value().peer->domain == peer)
            b.raise_from(End{own.id, port}, sent.value().peer->port);
    }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    LittleReader reader{{data, size}};
    const auto number = [&reader] { return u32{reader.byte().value_or(0)}; };
    const auto one = std::make_unique<test::EventDomain>(u16{1});
    const auto two = std::make_unique<test::EventDomain>(u16{2});
    while (reader.remaining() != 0) {
        const u32 what = number();
        test::EventDomain& own = what % 2 == 0 ? *one : *two;
        const EventPort port{number()};
        const u32 value = number();
        test::with_both(own, what % 2 == 0 ? *two : *one, [&](Channels& a, Channels& b) {
            operate(what / 2 % 16, a, b, own, port, value);
            for (auto at = a.next_used(EventPort{0}); at;
                 at = a.next_used(EventPort{at->raw() + 1})) {
                const Port here = *a.port(*at);
                if (here.kind != PortKind::interdomain)
                    continue;
                const Port there =
                    *(here.remote_domain == own.id.raw() ? a : b).port(EventPort{here.remote_port});
                if (there.kind != PortKind::interdomain || there.remote_port != at->raw())
                    std::abort();
            }
        });
    }
    if (!one->untouched(2) || !two->untouched(2))
        std::abort();
    return 0;
}

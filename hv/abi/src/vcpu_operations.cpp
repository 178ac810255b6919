// SPDX-License-Identifier: Apache-2.0
// vcpu_op, sched_op, hvm_op, console_io, multicall and the control hypercall. [xen/vcpu.h]
// [xen/sched.h] [xen/hvm/hvm_op.h]
#include "call.hpp"

#include <wire/control.hpp>

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

Result<domain::Vcpu*, Errno> named_vcpu(Call& call) {
    domain::Vcpu* vcpu = call.domain.vcpu(VcpuId{static_cast<u32>(call.arguments[1])});
    if (vcpu == nullptr)
        return Failure{Errno::no_entry};
    return vcpu;
}

/// How a guest's events become an interrupt is the one parameter it sets. A GSI is kept and never
/// raised, for there is no I/O APIC: Linux names one beside its per-vCPU vectors.
/// [xen/hvm/params.h]
Status<Errno> check_parameter(const xen_hvm_param& request) {
    if (request.index != HVM_PARAM_CALLBACK_IRQ)
        return Failure{Errno::not_permitted};
    constexpr unsigned type_shift = 56;
    constexpr u64 first_vector = 0x10; // below are exceptions
    switch (request.value >> type_shift) {
    case HVM_PARAM_CALLBACK_TYPE_GSI:
        return Unit{};
    case HVM_PARAM_CALLBACK_TYPE_VECTOR:
        if (static_cast<u8>(request.value) >= first_vector)
            return Unit{};
        break;
    default:
        break;
    }
    return Failure{Errno::invalid};
}

/// What the hypervisor set for the guest to find, and what it set itself.
bool may_get(u32 index) {
    switch (index) {
    case HVM_PARAM_CALLBACK_IRQ:
    case HVM_PARAM_STORE_PFN:
    case HVM_PARAM_STORE_EVTCHN:
    case HVM_PARAM_CONSOLE_PFN:
    case HVM_PARAM_CONSOLE_EVTCHN:
        return true;
    default:
        return false;
    }
}

Result<xen_hvm_param, Errno> read_parameter(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_hvm_param>(1));
    if (request.domid != DOMID_SELF && request.domid != call.domain.id().raw())
        return Failure{Errno::not_permitted};
    if (request.index >= HVM_NR_PARAMS)
        return Failure{Errno::invalid};
    return request;
}

} // namespace

Outcome vcpu_is_up(Call& call) {
    const domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    return i64{vcpu->activity() != domain::Activity::awaiting_start_up};
}

// A vCPU comes up by INIT and start-up IPI; there is no VCPUOP_initialise to prepare it otherwise.
Outcome vcpu_up(Call& call) {
    const domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    if (vcpu->activity() == domain::Activity::awaiting_start_up)
        return Failure{Errno::invalid};
    return i64{0};
}

Outcome vcpu_down(Call& call) {
    domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    if (vcpu != &call.vcpu)
        return Failure{Errno::invalid};
    vcpu->set_activity(domain::Activity::awaiting_start_up);
    vcpu->request_attention();
    return i64{0};
}

Outcome get_runstate(Call& call) {
    const domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    vcpu_runstate_info out = runstate_of(call.abi, call.state, *vcpu);
    if (const u64 now = system_time(call.abi, call.state); now > out.state_entry_time)
        out.time[out.state] += now - out.state_entry_time;
    (void)RAVELIN_TRY(call.write(2, out));
    return i64{0};
}

Outcome register_runstate(Call& call) {
    const domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    const auto area = RAVELIN_TRY(call.read<vcpu_register_runstate_memory_area>(2));
    (void)RAVELIN_TRY(
        call.write_at(GuestVirtual{area.addr.p}, runstate_of(call.abi, call.state, *vcpu)));
    call.state.vcpus[vcpu->id().raw()].runstate = GuestVirtual{area.addr.p};
    return i64{0};
}

Outcome register_vcpu_info(Call& call) {
    domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    VcpuState& own = call.state.vcpus[vcpu->id().raw()];
    const auto request = RAVELIN_TRY(call.read<vcpu_register_vcpu_info>(2));
    std::optional where = RAVELIN_TRY(share(call, request.mfn, request.offset, sizeof(vcpu_info)));
    // Under the channels' lock: an event that another CPU raises lands in one place or the other.
    const bool first = call.state.events.with([&](events::Channels&) {
        if (own.info && own.info->pinned)
            return false;
        if (own.info) {
            // What was pending at the old place is pending at the new one.
            const auto old = call.domain.memory()
                                 .bytes(own.info->frame)
                                 .subspan(own.info->offset, sizeof(vcpu_info));
            const auto now =
                call.domain.memory().bytes(where->frame).subspan(where->offset, sizeof(vcpu_info));
            std::copy(old.begin(), old.end(), now.begin());
        }
        set_info(call.domain, own, *where);
        publish_time(call.abi, call.domain, call.state, own);
        return true;
    });
    if (!first) { // "once per vcpu" [xen/vcpu.h]
        unshare(call.abi, where);
        return Failure{Errno::invalid};
    }
    vcpu->request_event_check();
    return i64{0};
}

Outcome register_vcpu_time(Call& call) {
    const domain::Vcpu* vcpu = RAVELIN_TRY(named_vcpu(call));
    const auto area = RAVELIN_TRY(call.read<vcpu_register_time_memory_area>(2));
    const auto physical = guest::walk(call.domain.memory(),
                                      call.vcpu.cpu().paging_state(),
                                      GuestVirtual{area.addr.p},
                                      guest::Purpose::write);
    if (!physical)
        return Failure{Errno::fault};
    VcpuState& own = call.state.vcpus[vcpu->id().raw()];
    const SharedPlace where = RAVELIN_TRY(share(call,
                                                GuestFrame::of(physical.value()).raw(),
                                                physical.value().page_offset(),
                                                sizeof(vcpu_time_info)));
    // Under the same lock as register_vcpu_info: two vCPUs may name the same one at the same time.
    call.state.events.with([&](events::Channels&) {
        unshare(call.abi, own.time);
        own.time = where;
        publish_time(call.abi, call.domain, call.state, own);
    });
    return i64{0};
}

Outcome yield(Call& call) {
    call.vcpu.rest(domain::Rest::yield);
    return i64{0};
}
// An event that comes between here and the sleep asks for attention, which ends the sleep.
Outcome block(Call& call) {
    call.vcpu.rest(domain::Rest::block);
    return i64{0};
}
// Until one of the ports is pending, masked or not, or the time has come. Any port of the domain
// ends it: who polls looks again.
Outcome poll(Call& call) {
    constexpr u32 most_ports = 128;
    const auto request = RAVELIN_TRY(call.read<sched_poll>(1));
    if (request.nr_ports > most_ports)
        return Failure{Errno::invalid};
    // First announced, then looked at: a port raised in between wakes it.
    call.domain.set_polling(call.vcpu.id());
    for (u32 i = 0; i < request.nr_ports; ++i) {
        const auto port = call.vcpu.copy_in_value<evtchn_port_t>(
            GuestVirtual{reinterpret_cast<u64>(request.ports.p) + i * sizeof(evtchn_port_t)});
        if (!port)
            return Failure{Errno::fault};
        if (call.state.events.with([&port](const events::Channels& channels) {
                return channels.is_pending(EventPort{port.value()});
            })) {
            call.domain.clear_polling(call.vcpu.id());
            return i64{0};
        }
    }
    if (request.timeout != 0)
        call.vcpu.set_poll_deadline(deadline_of(call, request.timeout));
    call.vcpu.rest(domain::Rest::block);
    return i64{0};
}

Outcome shutdown(Call& call) {
    const auto request = RAVELIN_TRY(call.read<sched_shutdown>(1));
    switch (request.reason) {
    case SHUTDOWN_poweroff:
        call.domain.stop(domain::StopReason::power_off);
        return i64{0};
    case SHUTDOWN_reboot:
        call.domain.stop(domain::StopReason::reboot);
        return i64{0};
    case SHUTDOWN_suspend:
        return Failure{Errno::not_implemented};
    case SHUTDOWN_watchdog:
        call.domain.stop(domain::StopReason::watchdog);
        return i64{0};
    case SHUTDOWN_crash:
        call.domain.stop(domain::StopReason::crash);
        return i64{0};
    default:
        return Failure{Errno::invalid};
    }
}

// A serial line is slow: one line's worth, and the guest takes interrupts.
Outcome console_write(Call& call) {
    std::array<u8, 128> chunk{};
    const u32 count = static_cast<u32>(call.arguments[1]);
    const auto now = std::span{chunk}.first(std::min<usize>(chunk.size(), count));
    if (!call.vcpu.copy_in(GuestVirtual{call.arguments[2]}, now))
        return Failure{Errno::fault};
    // SAFETY: char may alias any byte.
    call.abi.machine().write_console(call.domain,
                                     {reinterpret_cast<const char*>(now.data()), now.size()});
    call.parts = parts_at_once;
    if (now.size() < count)
        call.rest = {call.arguments[0], count - now.size(), call.arguments[2] + now.size()};
    return i64{0};
}

Outcome console_read(Call& call) {
    std::array<u8, 64> chunk{};
    const u32 room = static_cast<u32>(call.arguments[1]);
    if (room >> 31 != 0) // it could not be told
        return Failure{Errno::too_big};
    usize count = 0;
    while (count < std::min<usize>(chunk.size(), room)) {
        const auto typed = call.abi.machine().read_console();
        if (!typed)
            break;
        chunk[count++] = static_cast<u8>(*typed);
    }
    if (count != 0 && !call.vcpu.copy_out(GuestVirtual{call.arguments[2]},
                                          std::span<const u8>{chunk}.first(count)))
        return Failure{Errno::fault};
    return static_cast<i64>(count);
}

Outcome set_parameter(Call& call) {
    const auto request = RAVELIN_TRY(read_parameter(call));
    (void)RAVELIN_TRY(check_parameter(request));
    call.state.parameters[request.index] = request.value;
    call.vcpu.request_event_check(); // what is pending already has a way to the guest now
    return i64{0};
}

Outcome get_parameter(Call& call) {
    auto request = RAVELIN_TRY(read_parameter(call));
    if (!may_get(request.index))
        return Failure{Errno::not_permitted};
    request.value = call.state.parameters[request.index];
    (void)RAVELIN_TRY(call.write(1, request));
    return i64{0};
}

Outcome set_upcall_vector(Call& call) {
    const auto request = RAVELIN_TRY(call.read<xen_hvm_evtchn_upcall_vector>(1));
    constexpr u8 first_vector = 0x10; // below are exceptions
    if (request.vector < first_vector)
        return Failure{Errno::invalid};
    domain::Vcpu* const vcpu = call.domain.vcpu(VcpuId{request.vcpu});
    if (vcpu == nullptr)
        return Failure{Errno::no_entry};
    call.state.vcpus[request.vcpu].upcall_vector = Vector{request.vector};
    vcpu->request_event_check(); // what is pending already has a way to the guest now
    return i64{0};
}

// Of an entry that is not done, the rest is written over its arguments, and it comes again.
Outcome multicall(Call& call) {
    const GuestVirtual list{call.arguments[0]};
    const u32 count = static_cast<u32>(call.arguments[1]);
    const auto continue_at = [&](u32 entry) {
        call.rest = {(list + entry * sizeof(multicall_entry)).raw(), count - entry, 0};
        return i64{0};
    };
    for (u32 i = 0; i < count && call.domain.running(); ++i) {
        if (call.parts >= parts_at_once)
            return continue_at(i);
        const GuestVirtual at = list + i * sizeof(multicall_entry);
        const auto entry = call.vcpu.copy_in_value<multicall_entry>(at);
        if (!entry)
            return Failure{Errno::fault};
        std::array<u64, 6> arguments{};
        std::copy_n(entry.value().args, arguments.size(), arguments.begin());
        Call inner{call.abi, call.vcpu, call.domain, call.state, arguments};
        // No multicall of multicalls: the stack would be the guest's to fill.
        const Outcome outcome = entry.value().op == __HYPERVISOR_multicall
                                    ? Outcome{Failure{Errno::invalid}}
                                    : dispatch(inner, entry.value().op);
        call.parts += 1 + inner.parts;
        if (inner.rest) {
            (void)RAVELIN_TRY(call.write_at(at + offsetof(multicall_entry, args), *inner.rest));
            return continue_at(i);
        }
        const auto result = static_cast<xen_ulong_t>(to_register(outcome));
        (void)RAVELIN_TRY(call.write_at(at + offsetof(multicall_entry, result), result));
    }
    return i64{0};
}

Outcome control(Call& call) {
    const auto [operation, request, request_size, response, capacity, unused] = call.arguments;
    if (call.abi.control() == nullptr)
        return Failure{Errno::not_implemented};
    if (request_size > wire::control::max_request)
        return Failure{Errno::too_big};
    return call.state.control.with([&,
                                    operation = operation,
                                    response = response,
                                    capacity = capacity,
                                    request = request,
                                    request_size =
                                        request_size](ControlBuffers& buffers) -> Outcome {
        const auto in = std::span{buffers.request}.first(request_size);
        if (!call.vcpu.copy_in(GuestVirtual{request}, in))
            return Failure{Errno::fault};
        const auto out =
            std::span{buffers.response}.first(std::min<u64>(capacity, buffers.response.size()));
        const i64 result = call.abi.control()->control(call.vcpu, operation, in, out);
        if (result < 0)
            return Failure{static_cast<Errno>(-result)};
        ensure(static_cast<u64>(result) <= out.size(), "a control response longer than its buffer");
        if (!call.vcpu.copy_out(GuestVirtual{response}, out.first(static_cast<usize>(result))))
            return Failure{Errno::fault};
        return result;
    });
}

} // namespace ravelin::hv::abi

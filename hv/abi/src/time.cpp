// SPDX-License-Identifier: Apache-2.0
// System time (pvclock), wall clock, and the single-shot timer. System time is nanoseconds since
// the domain was built; the guest computes it from its TSC by the factors published here.
// [xen/xen.h, struct vcpu_time_info] [xen/vcpu.h]
#include "call.hpp"

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

constexpr u64 nanoseconds_per_second = 1'000'000'000;

struct Scale {
    u32 multiplier;
    i8 shift;
};

/// nanoseconds = ((ticks << shift) * multiplier) >> 32, for a counter of that frequency.
constexpr Scale scale_of(u64 khz) {
    Scale out{0, 0};
    u64 hertz = khz * 1000;
    while (hertz > 2 * nanoseconds_per_second) {
        hertz >>= 1;
        --out.shift;
    }
    while (hertz <= nanoseconds_per_second) {
        hertz <<= 1;
        ++out.shift;
    }
    out.multiplier = static_cast<u32>((nanoseconds_per_second << 32) / hertz);
    return out;
}
static_assert(scale_of(1'000'000).shift == 1 && scale_of(1'000'000).multiplier == 0x80000000);

u64 to_nanoseconds(u64 ticks, u64 khz) {
    return ticks / khz * 1'000'000 + ticks % khz * 1'000'000 / khz;
}
u64 to_ticks(u64 nanoseconds, u64 khz) {
    return nanoseconds / 1'000'000 * khz + nanoseconds % 1'000'000 * khz / 1'000'000;
}
/// Later timers are this far off, so that no sum of guest and host times overflows: 36 years.
constexpr u64 latest_timer = u64{1} << 60;

template <typename T> T* place(domain::Domain& domain, const SharedPlace& where, usize inner = 0) {
    // SAFETY: share() checked that the structure lies in one frame of the domain's RAM, aligned.
    return reinterpret_cast<T*>(domain.memory().bytes(where.frame).data() + where.offset + inner);
}

void write_time(domain::Domain& domain,
                const vcpu_time_info& values,
                const SharedPlace& where,
                usize inner) {
    auto* shared = place<volatile vcpu_time_info>(domain, where, inner);
    // Odd while it changes. The guest reads on the vCPU that this runs for, so the order of stores
    // is all it takes.
    const u32 version = (shared->version | 1u);
    shared->version = version;
    asm volatile("" ::: "memory"); // SAFETY: keeps the stores in this order.
    shared->tsc_timestamp = values.tsc_timestamp;
    shared->system_time = values.system_time;
    shared->tsc_to_system_mul = values.tsc_to_system_mul;
    shared->tsc_shift = values.tsc_shift;
    shared->flags = values.flags;
    asm volatile("" ::: "memory"); // SAFETY: as above.
    shared->version = version + 1;
}

/// Sets the timer; a time that has passed fires at once.
void arm(Call& call, u64 nanoseconds) {
    call.vcpu.set_timer_deadline(deadline_of(call, nanoseconds));
}

Outcome own_vcpu(Call& call) {
    const VcpuId named{static_cast<u32>(call.arguments[1])};
    if (named != call.vcpu.id())
        return Failure{call.domain.vcpu(named) == nullptr ? Errno::no_entry : Errno::invalid};
    return i64{0};
}

} // namespace

cpu::Tsc deadline_of(Call& call, u64 nanoseconds) {
    return cpu::Tsc{call.state.start_of_time +
                    to_ticks(std::min(nanoseconds, latest_timer), call.abi.machine().tsc_khz())};
}

u64 system_time(XenAbi& abi, const DomainState& state) {
    return to_nanoseconds(abi.machine().now().raw() - state.start_of_time, abi.machine().tsc_khz());
}

void publish_time(XenAbi& abi, domain::Domain& domain, DomainState& state, VcpuState& vcpu) {
    const domain::Vcpu* owner = domain.vcpu(VcpuId{static_cast<u32>(&vcpu - state.vcpus.data())});
    if (owner == nullptr)
        return;
    const u64 khz = abi.machine().tsc_khz();
    const Scale scale = scale_of(khz);
    const u64 now = abi.machine().now().raw();
    vcpu_time_info values{};
    values.tsc_timestamp = now + owner->cpu().tsc_offset();
    values.system_time = to_nanoseconds(now - state.start_of_time, khz);
    values.tsc_to_system_mul = scale.multiplier;
    values.tsc_shift = scale.shift;
    // One vCPU stays on one CPU, so its TSC never goes backwards; several would need proof that
    // theirs agree.
    values.flags = domain.vcpus().size() == 1 ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
    if (vcpu.info)
        write_time(domain, values, *vcpu.info, offsetof(vcpu_info, time));
    if (vcpu.time)
        write_time(domain, values, *vcpu.time, 0);
}

static_assert(static_cast<int>(domain::RunState::running) == RUNSTATE_running &&
              static_cast<int>(domain::RunState::runnable) == RUNSTATE_runnable &&
              static_cast<int>(domain::RunState::blocked) == RUNSTATE_blocked &&
              static_cast<int>(domain::RunState::offline) == RUNSTATE_offline);

vcpu_runstate_info runstate_of(XenAbi& abi, const DomainState& state, const domain::Vcpu& vcpu) {
    const u64 khz = abi.machine().tsc_khz();
    const domain::RunAccount& account = vcpu.account();
    vcpu_runstate_info out{};
    out.state = static_cast<int>(account.state);
    if (account.since.raw() > state.start_of_time)
        out.state_entry_time = to_nanoseconds(account.since.raw() - state.start_of_time, khz);
    for (usize i = 0; i < account.ticks.size(); ++i)
        out.time[i] = to_nanoseconds(account.ticks[i], khz);
    return out;
}

// The guest reads it on the vCPU that is being entered, so it cannot see it half written. An area
// that is no longer mapped is the guest's loss.
void XenAbi::turn_begins(domain::Vcpu& vcpu) {
    const DomainState& state = *vcpu.domain().abi_state();
    if (const auto& area = state.vcpus[vcpu.id().raw()].runstate)
        (void)vcpu.copy_out_value(*area, runstate_of(*this, state, vcpu));
}

Outcome set_timer(Call& call) {
    if (call.arguments[0] == 0)
        call.vcpu.set_timer_deadline(std::nullopt);
    else
        arm(call, call.arguments[0]);
    return i64{0};
}

Outcome set_singleshot_timer(Call& call) {
    (void)RAVELIN_TRY(own_vcpu(call));
    const auto request = RAVELIN_TRY(call.read<vcpu_set_singleshot_timer>(2));
    if ((request.flags & VCPU_SSHOTTMR_future) != 0 &&
        request.timeout_abs_ns < system_time(call.abi, call.state))
        return Failure{Errno::timed_out};
    arm(call, request.timeout_abs_ns);
    return i64{0};
}

Outcome stop_singleshot_timer(Call& call) {
    (void)RAVELIN_TRY(own_vcpu(call));
    call.vcpu.set_timer_deadline(std::nullopt);
    return i64{0};
}

// There is no periodic timer to stop; Linux asks in order to learn that vCPU operations exist.
Outcome stop_periodic_timer(Call& call) {
    return own_vcpu(call);
}

void XenAbi::timer_expired(domain::Vcpu& vcpu) {
    DomainState& state = *vcpu.domain().abi_state();
    state.events.with(
        [&vcpu](events::Channels& e) { e.raise_virtual_interrupt(VIRQ_TIMER, vcpu.id()); });
}

} // namespace ravelin::hv::abi

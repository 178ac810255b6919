// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/domain.hpp>
#include <hv/domain/vcpu.hpp>

#include <algorithm>
#include <cstring>

namespace ravelin::hv::domain {

Name::Name(std::string_view text) : size_{std::min(text.size(), capacity)} {
    std::copy_n(text.begin(), size_, text_.begin());
}

const char* describe(StopReason reason) {
    switch (reason) {
    case StopReason::power_off:
        return "power off";
    case StopReason::reboot:
        return "reboot";
    case StopReason::suspend:
        return "suspend";
    case StopReason::crash:
        return "crash";
    case StopReason::watchdog:
        return "watchdog";
    case StopReason::fault:
        return "stopped by the hypervisor";
    case StopReason::destroyed:
        return "destroyed";
    }
    return "unknown reason";
}

Domain::Domain(const Identity& identity,
               stage2::Layout layout,
               TableMemory& tables,
               guest::FrameAccess& frames,
               GuestAbi& guest_abi)
    : identity_{identity}, stage2_{layout, tables}, memory_{stage2_, frames}, guest_abi_{
                                                                                  guest_abi} {}

Vcpu* Domain::vcpu(VcpuId id) const {
    for (Vcpu* const vcpu : vcpus_)
        if (vcpu->id() == id)
            return vcpu;
    return nullptr;
}

void Domain::tell_vcpus() {
    for (Vcpu* const vcpu : vcpus_)
        vcpu->request_attention();
}

void Domain::tell_pollers() {
    for (Vcpu* const vcpu : vcpus_)
        if ((pollers_.load() >> vcpu->id().raw() & 1) != 0)
            vcpu->request_attention();
}

void Domain::stop(const StopReport& report) {
    if (claimed_.exchange(true))
        return;
    report_ = report;
    stopped_.store(true);
    tell_vcpus();
}

std::optional<StopReason> Domain::stop_reason() const {
    if (!stopped_.load(std::memory_order_acquire))
        return std::nullopt;
    return report_.reason;
}

void Domain::pause() {
    paused_.fetch_add(1);
    tell_vcpus();
}

void Domain::unpause() {
    if (paused_.fetch_sub(1) == 1)
        tell_vcpus();
}

bool Domain::is_off_cpus() const {
    return std::none_of(
        vcpus_.begin(), vcpus_.end(), [](const Vcpu* vcpu) { return vcpu->is_on_cpu(); });
}

void Domain::stop_if_all_rest_for_good() {
    if (std::all_of(
            vcpus_.begin(), vcpus_.end(), [](const Vcpu* vcpu) { return vcpu->rests_for_good(); }))
        stop(StopReason::power_off);
}

Vcpu::Vcpu(Domain& domain, VcpuId id, cpu::VirtualCpu& cpu, cpu::LocalApic& lapic, Waker* waker)
    : domain_{domain}, id_{id}, cpu_{cpu}, lapic_{lapic}, waker_{waker} {
    ensure(domain.vcpus().push_back(this), "a domain with more vCPUs than max_vcpus");
    lapic.set_listener(*this);
}

void Vcpu::account_for(RunState next, cpu::Tsc now) {
    if (account_.since != cpu::Tsc{})
        account_.ticks[static_cast<u8>(account_.state)] += now.raw() - account_.since.raw();
    account_.state = next == RunState::blocked && for_good_.load() ? RunState::offline : next;
    account_.since = now;
}

std::optional<cpu::Tsc> Vcpu::next_deadline() const {
    const auto lapic = lapic_.deadline();
    auto next = lapic && (!deadline_ || *lapic < *deadline_) ? lapic : deadline_;
    if (poll_deadline_ && (!next || *poll_deadline_ < *next))
        next = poll_deadline_;
    return next;
}

u8* Vcpu::reach(const cpu::PagingState& paging, GuestVirtual at, usize size, guest::Purpose why) {
    return at.page_offset() + size <= page_size
               ? guest::reach(domain_.memory(), paging, recent_, at, why)
               : nullptr;
}

Status<guest::CopyError> Vcpu::copy_in(GuestVirtual from, std::span<u8> destination) {
    const cpu::PagingState paging = cpu_.paging_state();
    const u8* const bytes = reach(paging, from, destination.size(), guest::Purpose::read);
    if (bytes == nullptr) [[unlikely]]
        return guest::copy_in(domain_.memory(), paging, from, destination);
    std::memcpy(destination.data(), bytes, destination.size());
    return Unit{};
}

Result<std::span<u8>, guest::CopyError> Vcpu::window(GuestVirtual at) {
    const cpu::PagingState paging = cpu_.paging_state();
    u8* bytes = reach(paging, at, 0, guest::Purpose::write);
    if (bytes == nullptr) [[unlikely]] {
        const auto physical = guest::walk(domain_.memory(), paging, at, guest::Purpose::write);
        if (!physical)
            return Failure{guest::CopyError::page_fault};
        bytes = domain_.memory().reach(physical.value(), Access::read_write);
    }
    if (bytes == nullptr)
        return Failure{guest::CopyError::refused};
    return std::span<u8>{bytes, page_size - at.page_offset()};
}

Status<guest::CopyError> Vcpu::copy_out(GuestVirtual to, std::span<const u8> source) {
    const cpu::PagingState paging = cpu_.paging_state();
    u8* const bytes = reach(paging, to, source.size(), guest::Purpose::write);
    if (bytes == nullptr) [[unlikely]]
        return guest::copy_out(domain_.memory(), paging, to, source);
    std::memcpy(bytes, source.data(), source.size());
    return Unit{};
}

} // namespace ravelin::hv::domain

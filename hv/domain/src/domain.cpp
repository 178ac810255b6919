// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/domain.hpp>
#include <hv/domain/vcpu.hpp>

#include <algorithm>

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

void Domain::stop(StopReason reason) {
    if (claimed_.exchange(true))
        return;
    reason_.store(reason, std::memory_order_relaxed);
    stopped_.store(true, std::memory_order_release);
}

std::optional<StopReason> Domain::stop_reason() const {
    if (!stopped_.load(std::memory_order_acquire))
        return std::nullopt;
    return reason_.load(std::memory_order_relaxed);
}

Vcpu::Vcpu(Domain& domain, VcpuId id, cpu::VirtualCpu& cpu, cpu::LocalApic& lapic)
    : domain_{domain}, id_{id}, cpu_{cpu}, lapic_{lapic} {
    ensure(domain.vcpus().push_back(this), "a domain with more vCPUs than max_vcpus");
}

Status<guest::CopyError> Vcpu::copy_in(GuestVirtual from, std::span<u8> destination) {
    return guest::copy_in(domain_.memory(), cpu_.paging_state(), from, destination);
}

Status<guest::CopyError> Vcpu::copy_out(GuestVirtual to, std::span<const u8> source) {
    return guest::copy_out(domain_.memory(), cpu_.paging_state(), to, source);
}

} // namespace ravelin::hv::domain

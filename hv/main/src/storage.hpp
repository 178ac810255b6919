// SPDX-License-Identifier: Apache-2.0
// What one domain takes of the hypervisor's memory: one contiguous piece of frames, from its
// creation until nothing of it is used any more.
#pragma once

#include <base/int.hpp>
#include <hv/abi/xen_abi.hpp>
#include <hv/console/guest_console.hpp>
#include <hv/domain/domain.hpp>
#include <hv/domain/run_loop.hpp>
#include <hv/svm/virtual_cpu.hpp>
#include <hv/vlapic/bus.hpp>
#include <hv/vlapic/vlapic.hpp>
#include <wire/vm_control.hpp>

#include <atomic>
#include <span>

namespace ravelin::hv {

/// A vCPU: its back end, its local APIC, the loop that runs it. What the scheduler keeps of it is
/// used under the scheduler's lock.
struct VcpuStorage final : domain::Waker {
    VcpuStorage(domain::Domain& domain, VcpuId id, const domain::CpuidPolicy& policy);
    void wake() override;

    svm::VirtualCpu cpu;
    vlapic::VirtualLocalApic lapic;
    domain::Vcpu vcpu;
    domain::RunLoop loop;
    std::atomic<bool> runnable{false};
};

struct DomainStorage {
    DomainStorage(const domain::Identity& identity, stage2::Layout layout, HostFrame at, u64 size);

    domain::Domain domain;
    abi::DomainState state;
    vlapic::ApicBus apics;
    console::GuestConsole console;
    EventPort console_port{}; ///< 0: it has none of its own
    EventPort store_port{};
    std::optional<HostFrame> console_frame; ///< pinned
    wire::control::Schedule schedule{};
    std::span<VcpuStorage> vcpus{}; ///< behind this object, in the same frames
    HostFrame first;
    u64 frames;
    bool has_devices{false};
    bool dying{false};                 ///< the directory's lock
    bool being_destroyed{false};       ///< the same lock
    std::atomic<bool> reported{false}; ///< its end was printed
};

} // namespace ravelin::hv

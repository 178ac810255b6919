// SPDX-License-Identifier: Apache-2.0
// The one operation of Xen's domctl that a stock xenstored needs: what state a domain is in. A
// domain that is being taken apart is not found, which the store takes as gone; identifiers are
// exact, not "this one or the next". [xen/domctl.h]
#include "call.hpp"

#include <optional>

namespace ravelin::hv::abi {
namespace {

/// SHUTDOWN_* as the store and its watchers know them. [xen/sched.h]
u32 shutdown_code(domain::StopReason reason) {
    switch (reason) {
    case domain::StopReason::power_off:
        return SHUTDOWN_poweroff;
    case domain::StopReason::reboot:
        return SHUTDOWN_reboot;
    case domain::StopReason::suspend:
        return SHUTDOWN_suspend;
    case domain::StopReason::watchdog:
        return SHUTDOWN_watchdog;
    default:
        return SHUTDOWN_crash;
    }
}

xen_domctl_getdomaininfo describe(const Machine& machine, domain::Domain& domain) {
    xen_domctl_getdomaininfo info{};
    info.domain = domain.id().raw();
    info.flags = XEN_DOMINF_hvm_guest | XEN_DOMINF_hap;
    if (const auto reason = domain.stop_reason())
        info.flags |= XEN_DOMINF_shutdown | shutdown_code(*reason) << XEN_DOMINF_shutdownshift;
    else
        info.flags |= XEN_DOMINF_running;
    const grants::Balloon& balloon = domain.abi_state()->balloon;
    info.tot_pages = balloon.current();
    info.max_pages = balloon.maximum();
    info.shared_info_frame = ~u64{0}; // nobody maps it
    info.nr_online_vcpus = static_cast<u32>(domain.vcpus().size());
    info.max_vcpu_id = info.nr_online_vcpus - 1;
    info.cpu_time = machine.cpu_time_ns(domain);
    return info;
}

} // namespace

Outcome domain_control(Call& call) {
    auto request = RAVELIN_TRY(call.read<xen_domctl>(0));
    if (request.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return Failure{Errno::bad_version};
    if (request.cmd != XEN_DOMCTL_getdomaininfo)
        return Failure{Errno::not_implemented};
    const domain::Reference found = call.abi.around().directory.find(DomainId{request.domain});
    if (!found)
        return Failure{Errno::no_such_domain};
    request.u.getdomaininfo = describe(call.abi.machine(), *found);
    (void)RAVELIN_TRY(call.write(0, request));
    return i64{0};
}

} // namespace ravelin::hv::abi

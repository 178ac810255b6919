// SPDX-License-Identifier: Apache-2.0
// The other end of an event channel whose peer is the hypervisor itself: the back end of the PV
// console. XenAbi::allocate_hypervisor_port() makes such a port, XenAbi::notify() sends to it.
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::domain {
class Domain;
}

namespace ravelin::hv::events {

class HypervisorPort {
  public:
    /// The domain sent on the port. Context: the hypercall of one of its vCPUs, on any CPU; no lock
    /// of the event channels is held, so that notify() may be called from here.
    virtual void notified(domain::Domain& domain, EventPort port) = 0;

  protected:
    ~HypervisorPort() = default;
};

} // namespace ravelin::hv::events

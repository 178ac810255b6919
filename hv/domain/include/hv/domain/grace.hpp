// SPDX-License-Identifier: Apache-2.0
// When every vCPU of a domain has let go of the translations it looked up before: a CPU in the
// hypervisor may still be copying to a frame that another CPU has just hidden, so the frame's next
// owner waits for this. A vCPU has let go once it enters its guest or leaves its CPU. Relies on the
// stage-2 invalidator for those that were in their guest.
#pragma once

#include <base/lock.hpp>
#include <base/types.hpp>

#include <array>

namespace ravelin::hv::domain {

class Domain;
class Vcpu;

class Grace {
  public:
    static constexpr usize most_vcpus = 16;

    /// For what was hidden before this call. `self` holds no translation: it is the caller, between
    /// two of its accesses. Any CPU.
    [[nodiscard]] u64 ticket(const Domain& domain, const Vcpu* self);
    /// Whether everything of that ticket's time is over; never waits. Any CPU.
    [[nodiscard]] bool has_passed(const Domain& domain, u64 ticket, const Vcpu* self);

  private:
    void begin(const Domain& domain, const Vcpu* self);
    void advance(const Domain& domain);

    SpinLock lock_;                      ///< of what follows
    u64 completed_{};                    ///< periods that are over
    bool running_{};                     ///< period completed_ + 1 is
    std::array<u32, most_vcpus> seen_{}; ///< each's entries() when it began; odd: let go already
};

} // namespace ravelin::hv::domain

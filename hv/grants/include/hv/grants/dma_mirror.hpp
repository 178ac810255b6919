// SPDX-License-Identifier: Apache-2.0
// What devices reach, kept equal to what their domain reaches. Implemented over VT-d where a domain
// owns devices; nothing to do for the others.
#pragma once

#include <base/types.hpp>
#include <hv/domain/domain.hpp>

namespace ravelin::hv::grants {

enum class Mirrored : u8 {
    done,
    refused, ///< nothing has changed
    unknown, ///< nothing is mapped, but a device might reach the frame: it stays what it is
};

class DmaMirror {
  public:
    /// Lets the domain's devices reach `frame` at `at`. Any CPU.
    [[nodiscard]] virtual Mirrored
    map(const domain::Domain& domain, GuestFrame at, HostFrame frame, Access access) = 0;
    /// No device of the domain reaches anything at `at` when this returns true: every unit has
    /// forgotten it. After false a device might still, and the frame stays what it is. Any CPU.
    [[nodiscard]] virtual bool unmap(const domain::Domain& domain, GuestFrame at) = 0;

  protected:
    ~DmaMirror() = default;
};

} // namespace ravelin::hv::grants

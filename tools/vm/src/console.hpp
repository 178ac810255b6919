// SPDX-License-Identifier: Apache-2.0
// The operator at a guest's console: the hypervisor keeps what the guest said, and takes what is
// typed.
#pragma once

#include "tools/vm/hypervisor.hpp"

namespace ravelin::vm {

/// Shows what was said from `offset` on; the offset behind it.
u64 show_console(Hypervisor& hypervisor, DomainId domain, u64 offset);
/// Shows all that is kept and what comes, types what is typed, until the domain stops or Ctrl-] is
/// pressed.
void attach_console(Hypervisor& hypervisor, DomainId domain);

} // namespace ravelin::vm

// SPDX-License-Identifier: Apache-2.0
// The operator at a guest's console: the hypervisor keeps what the guest said, and takes what is
// typed.
#pragma once

#include "tools/vm/hypervisor.hpp"

#include <string>

namespace ravelin::vm {

/// Shows what was said from `offset` on; the offset behind it.
u64 show_console(Hypervisor& hypervisor, DomainId domain, u64 offset);
/// Types the text as the guest takes it; VmError when it takes nothing for 10 s.
void type_at_console(Hypervisor& hypervisor, DomainId domain, std::string text);
/// Shows all that is kept and what comes, types what is typed, until the domain stops or Ctrl-] is
/// pressed.
void attach_console(Hypervisor& hypervisor, DomainId domain);

} // namespace ravelin::vm

// SPDX-License-Identifier: Apache-2.0
// What goes wrong with a VM, in words for its operator: what was asked, what was found, what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace ravelin::vm {

/// Thrown where no caller nearby can go on, printed as it is.
class VmError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

} // namespace ravelin::vm

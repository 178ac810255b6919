// SPDX-License-Identifier: Apache-2.0
// What goes wrong around an emulated server, in words for the person who runs it: what was
// expected, what was found, and the last lines of whatever log shows why.
#pragma once

#include <stdexcept>
#include <string>

namespace ravelin::tools {

/// Hosted tools only: thrown where no caller nearby can go on, printed as it is.
class ServerError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Raises ServerError with `what` and the text of errno.
[[noreturn]] void throw_errno(const std::string& what);

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// Joins the user's terminal to a server's console.
#pragma once

#include "tools/server/console.hpp"

namespace ravelin::tools {

/// Shows the console and types what the user types, until the machine ends or Ctrl-] is pressed.
/// Restores the terminal in any case.
void attach_terminal(Console& console);

} // namespace ravelin::tools

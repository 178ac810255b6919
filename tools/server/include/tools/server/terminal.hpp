// SPDX-License-Identifier: Apache-2.0
// Joins the user's terminal to a server's console.
#pragma once

#include "tools/server/console.hpp"

#include <functional>

namespace ravelin::tools {

/// Why the terminal was given back.
enum class Attached { machine_ended, left, finished };

/// Shows the console and types what the user types, until the machine ends, Ctrl-] is pressed
/// (`left`) or `finished`, asked a few times a second, says so. Restores the terminal in any case.
Attached attach_terminal(Console& console, const std::function<bool()>& finished = {});

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// ravelin-server txt: boots a multiboot2 payload through tboot on a server with Intel TXT.
#pragma once

#include <CLI/CLI.hpp>

namespace ravelin::tools {

/// Adds the subcommand; it leaves the program's exit status in `status`.
void add_txt(CLI::App& app, int& status);

} // namespace ravelin::tools

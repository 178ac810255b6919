// SPDX-License-Identifier: Apache-2.0
// `ravelin vm ...`, in domain 0.
#pragma once

#include <CLI/CLI.hpp>

namespace ravelin::vm {

/// Adds the subcommands to `app`; each runs in its callback and throws VmError.
void add_commands(CLI::App& app);

} // namespace ravelin::vm

// SPDX-License-Identifier: Apache-2.0
// ravelin vm: see tools/vm.
#include "commands.hpp"

#include <tools/vm/commands.hpp>

namespace ravelin::tools {

void add_vm(CLI::App& app) {
    vm::add_commands(*app.add_subcommand("vm", "VMs of this server, from its domain 0"));
}

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// What list and info print: a table for people, JSON for programs. Pure.
#pragma once

#include "tools/vm/hypervisor.hpp"

#include <string>
#include <vector>

namespace ravelin::vm {

[[nodiscard]] std::string list_table(const std::vector<Summary>& domains);
[[nodiscard]] std::string list_json(const std::vector<Summary>& domains);
[[nodiscard]] std::string info_text(const Details& details);
[[nodiscard]] std::string info_json(const Details& details);

} // namespace ravelin::vm

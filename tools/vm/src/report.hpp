// SPDX-License-Identifier: Apache-2.0
// What list and info print: a table for people, JSON for programs. Pure.
#pragma once

#include "tools/vm/health.hpp"
#include "tools/vm/hypervisor.hpp"

#include <string>
#include <vector>

namespace ravelin::vm {

/// A domain of the list, and in words what is wrong with it, if anything is.
struct Listed {
    Summary summary;
    std::string why;
};

[[nodiscard]] std::string list_table(const std::vector<Listed>& domains);
[[nodiscard]] std::string list_json(const std::vector<Listed>& domains);
[[nodiscard]] std::string host_text(const wire::control::HostMemory& memory);
[[nodiscard]] std::string info_text(const Details& details, const std::vector<Device>& devices);
[[nodiscard]] std::string info_json(const Details& details, const std::vector<Device>& devices);

} // namespace ravelin::vm

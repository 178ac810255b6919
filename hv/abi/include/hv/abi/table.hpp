// SPDX-License-Identifier: Apache-2.0
// The rows of the dispatch table as documentation and tests read them.
#pragma once

#include <hv/abi/policy.hpp>

#include <span>
#include <string_view>

namespace ravelin::hv::abi {

constexpr u32 any_sub_operation = ~0u;

struct Row {
    u32 number{};
    u32 sub_operation{}; ///< the first argument, or any_sub_operation
    std::string_view name{};
    Operation operation{Operation::count}; ///< a row that names none does not compile
};

/// Every hypercall operation there is; the rest answer ENOSYS.
[[nodiscard]] std::span<const Row> operation_table();

} // namespace ravelin::hv::abi

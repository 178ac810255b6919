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

constexpr u32 hypercall_numbers = 64;
constexpr u32 sub_operations = 64;

/// Whether every row names an operation, lies in the table, and is the only one for its numbers.
consteval bool every_row_is_decided(std::span<const Row> rows) {
    for (usize i = 0; i < rows.size(); ++i) {
        const Row& row = rows[i];
        if (row.operation >= Operation::count || row.number >= hypercall_numbers ||
            (row.sub_operation >= sub_operations && row.sub_operation != any_sub_operation))
            return false;
        for (const Row& other : rows.first(i))
            if (other.number == row.number && (other.sub_operation == row.sub_operation ||
                                               other.sub_operation == any_sub_operation ||
                                               row.sub_operation == any_sub_operation))
                return false;
    }
    return true;
}

/// Every hypercall operation there is; the rest answer ENOSYS.
[[nodiscard]] std::span<const Row> operation_table();

} // namespace ravelin::hv::abi

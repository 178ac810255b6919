// SPDX-License-Identifier: Apache-2.0
// Who may do what: one line for each kind of operation. An operation without a line here, or a row
// of the dispatch table without an operation, does not compile. Labels will decide these lines;
// until then they name roles, and what is not named is denied.
#pragma once

#include <hv/domain/domain.hpp>

#include <array>

namespace ravelin::hv::abi {

enum class Operation : u8 {
    ask_version,       ///< what hypervisor this is, what it offers
    ask_own_layout,    ///< the domain's own memory map and sizes
    change_own_layout, ///< where the domain sees its shared pages
    use_own_events,    ///< ports of the domain itself
    use_own_timer,
    use_own_vcpus,
    use_own_parameters,
    stop_itself,
    write_console,
    read_console,
    ask_grants,      ///< the domain's own grant table
    describe_device, ///< domain 0 reports a device it found
    ask_platform,
    use_control, ///< the hypervisor's own control interface
    count
};

struct PolicyLine {
    Operation operation;
    bool domain0;
    bool guest;
};

inline constexpr PolicyLine policy_lines[] = {
    {Operation::ask_version, true, true},
    {Operation::ask_own_layout, true, true},
    {Operation::change_own_layout, true, true},
    {Operation::use_own_events, true, true},
    {Operation::use_own_timer, true, true},
    {Operation::use_own_vcpus, true, true},
    {Operation::use_own_parameters, true, true},
    {Operation::stop_itself, true, true},
    {Operation::write_console, true, true},
    {Operation::read_console, true, false},
    {Operation::ask_grants, true, true},
    {Operation::describe_device, true, false},
    {Operation::ask_platform, true, false},
    {Operation::use_control, true, false},
};

consteval bool every_operation_has_one_line() {
    for (unsigned wanted = 0; wanted < static_cast<unsigned>(Operation::count); ++wanted) {
        unsigned lines = 0;
        for (const PolicyLine& line : policy_lines)
            lines += static_cast<unsigned>(line.operation) == wanted ? 1 : 0;
        if (lines != 1)
            return false;
    }
    return true;
}
static_assert(every_operation_has_one_line(), "each operation needs exactly one policy line");

/// The lines as a matrix, so that the decision is one load.
using AccessMatrix = std::array<std::array<bool, static_cast<usize>(Operation::count)>, 2>;
consteval AccessMatrix compile_policy() {
    AccessMatrix matrix{};
    for (const PolicyLine& line : policy_lines) {
        matrix[static_cast<usize>(domain::Role::domain0)][static_cast<usize>(line.operation)] =
            line.domain0;
        matrix[static_cast<usize>(domain::Role::guest)][static_cast<usize>(line.operation)] =
            line.guest;
    }
    return matrix;
}
inline constexpr AccessMatrix access_matrix = compile_policy();

[[nodiscard]] constexpr bool is_allowed(domain::Role role, Operation operation) {
    return access_matrix[static_cast<usize>(role)][static_cast<usize>(operation)];
}

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// Who may do what: one line for each kind of operation. An operation without a line here, or a row
// of the dispatch table without an operation, does not compile. Labels will decide these lines;
// until then they name roles, and what is not named is denied.
#pragma once

#include <hv/domain/domain.hpp>

#include <array>
#include <span>
#include <string_view>

namespace ravelin::hv::abi {

enum class Operation : u8 {
    ask_version,
    ask_own_layout,
    change_own_layout,
    change_own_memory,
    use_own_events,
    connect_events,
    use_own_timer,
    use_own_vcpus,
    use_own_parameters,
    stop_itself,
    write_console,
    read_console,
    ask_grants,
    use_grants,
    describe_device,
    describe_domains,
    use_control,
    batch,
    count
};

struct PolicyLine {
    Operation operation;
    bool domain0;
    bool guest;
    std::string_view meaning;
};

inline constexpr PolicyLine policy_lines[] = {
    {Operation::ask_version, true, true, "what hypervisor this is and what it offers"},
    {Operation::ask_own_layout, true, true, "the domain's own memory map and sizes"},
    {Operation::change_own_layout, true, true, "where the domain sees its shared pages"},
    {Operation::change_own_memory,
     true,
     true,
     "how much of its memory the domain has, up to its limit"},
    {Operation::use_own_events, true, true, "event-channel ports of the domain itself"},
    {Operation::connect_events, true, true, "an event channel with a domain that named the caller"},
    {Operation::use_own_timer, true, true, "the calling vCPU's timer"},
    {Operation::use_own_vcpus, true, true, "the domain's own vCPUs and their shared structures"},
    {Operation::use_own_parameters, true, true, "the domain's own HVM parameters"},
    {Operation::stop_itself, true, true, "power off, reboot or crash"},
    {Operation::write_console, true, true, "text for the hypervisor's console"},
    {Operation::read_console, true, false, "what the operator typed"},
    {Operation::ask_grants, true, true, "the domain's own grant table"},
    {Operation::use_grants, true, true, "pages that another domain granted to the caller by name"},
    {Operation::describe_device, true, false, "PCI functions that the domain found"},
    {Operation::describe_domains, true, false, "the state of any domain, as the store asks for it"},
    {Operation::use_control, true, false, "the hypervisor's own control interface"},
    {Operation::batch, true, true, "several hypercalls, each decided by its own row"},
};

/// Whether each operation has a line, and none two.
consteval bool every_operation_has_one_line(std::span<const PolicyLine> lines) {
    for (unsigned wanted = 0; wanted < static_cast<unsigned>(Operation::count); ++wanted) {
        unsigned found = 0;
        for (const PolicyLine& line : lines)
            found += static_cast<unsigned>(line.operation) == wanted ? 1 : 0;
        if (found != 1)
            return false;
    }
    return true;
}
static_assert(every_operation_has_one_line(policy_lines),
              "each operation needs exactly one policy line");

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

/// Whether events, which flow both ways, may join two domains: of one label, or with domain 0, the
/// trusted subject that serves every label until labels have subjects of their own.
[[nodiscard]] inline bool may_join(const domain::Domain& one, const domain::Domain& other) {
    return one.label() == other.label() || one.role() == domain::Role::domain0 ||
           other.role() == domain::Role::domain0;
}

} // namespace ravelin::hv::abi

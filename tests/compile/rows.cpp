// SPDX-License-Identifier: Apache-2.0
// The control of the tests beside it: the same checks, satisfied.
#include <hv/abi/table.hpp>

namespace ravelin::hv::abi {

constexpr Row decided[] = {{17, 0, "version", Operation::ask_version},
                           {18, 0, "console", Operation::write_console}};
static_assert(every_row_is_decided(decided), "a row without an operation");
static_assert(every_operation_has_one_line(policy_lines),
              "each operation needs exactly one policy line");

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// A hypercall added without saying what kind of operation it is.
#include <hv/abi/table.hpp>

namespace ravelin::hv::abi {

constexpr Row undecided[] = {{17, 0, "version", Operation::ask_version}, {18, 0, "console"}};
static_assert(every_row_is_decided(undecided), "a row without an operation");

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
// An operation that nobody said who may.
#include <hv/abi/policy.hpp>

namespace ravelin::hv::abi {

static_assert(every_operation_has_one_line(std::span{policy_lines}.first<13>()),
              "each operation needs exactly one policy line");

} // namespace ravelin::hv::abi

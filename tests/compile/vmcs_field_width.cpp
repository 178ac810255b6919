// SPDX-License-Identifier: Apache-2.0
// A selector is 16 bits wide.
#include <hv/vmx/instruction.hpp>

namespace ravelin::hv::vmx {

void truncate(u64 selector) {
    vmwrite<field::guest_cs_selector>(selector);
}

} // namespace ravelin::hv::vmx

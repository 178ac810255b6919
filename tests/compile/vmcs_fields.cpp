// SPDX-License-Identifier: Apache-2.0
// The control of the tests beside it: fields read and written in their own width.
#include <hv/vmx/instruction.hpp>

namespace ravelin::hv::vmx {

u32 reason() {
    return vmread<field::exit_reason>();
}
void select(u16 selector) {
    vmwrite<field::guest_cs_selector>(selector);
}

} // namespace ravelin::hv::vmx

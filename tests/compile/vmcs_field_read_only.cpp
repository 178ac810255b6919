// SPDX-License-Identifier: Apache-2.0
// Exit information is the CPU's to write.
#include <hv/vmx/instruction.hpp>

namespace ravelin::hv::vmx {

void forge() {
    vmwrite<field::exit_reason>(0);
}

} // namespace ravelin::hv::vmx

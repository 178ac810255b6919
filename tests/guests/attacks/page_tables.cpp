// SPDX-License-Identifier: Apache-2.0
// Attack: page tables outside the guest's memory. The CPU's own walk would then read the machine's
// devices; the guest must be stopped with a reason instead.
#include "../guest.hpp"

namespace ravelin::guest_test {

Verdict guest_main() {
    print("now with page tables at the host's TPM\n");
    // SAFETY: the point of this guest.
    asm volatile("mov %0, %%cr3; mov (%1), %%rax" : : "r"(0xfed4'0000ul), "r"(0ul) : "rax");
    return Verdict::failure;
}

} // namespace ravelin::guest_test

// SPDX-License-Identifier: Apache-2.0
// A guest that never ends, for whoever watches its time.
#include "guest.hpp"

namespace ravelin::guest_test {

Verdict guest_main() {
    print("spinning\n");
    while (true)
        // SAFETY: a hint, nothing else.
        asm volatile("pause");
}

} // namespace ravelin::guest_test

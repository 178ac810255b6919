// SPDX-License-Identifier: Apache-2.0
// What a VMCB after #VMEXIT says, as a vendor-neutral Exit: a pure function, tested hosted.
#pragma once

#include <hv/cpu/exit.hpp>
#include <hv/svm/vmcb.hpp>

namespace ravelin::hv::svm {

[[nodiscard]] cpu::Exit decode_exit(const ControlArea& control);

/// What to put into EVENTINJ because an event was being delivered when the guest exited, or 0.
/// Software interrupts and #BP/#OF are left out: RIP is still at their instruction, which runs
/// again (nothing here relies on next-RIP save). An external interrupt whose delivery faulted comes
/// from QEMU 7.2 typed as an exception; vectors beyond 31 tell it apart.
[[nodiscard]] u64 event_to_redeliver(u64 exitintinfo);

} // namespace ravelin::hv::svm

// SPDX-License-Identifier: Apache-2.0
// The one virtual interrupt of a VMCB, and what it is used for: as a window (VINTR intercepted, so
// that the guest exits where it could take one), or as an interrupt that the guest takes itself.
// The second stands in for EVENTINJ where that is broken (Features::repeats_injected). [AMD APM
// vol2 15.21.4] Pure.
#pragma once

#include <hv/cpu/virtual_cpu.hpp>
#include <hv/svm/vmcb.hpp>

namespace ravelin::hv::svm {

class VirtualInterruptLine {
  public:
    /// Makes the guest take it at its next chance. Precondition: none is on its way.
    void deliver(ControlArea& control, Vector vector);
    /// While one is on its way the end of its handler is the window: IRET exits.
    void request_window(ControlArea& control, cpu::InterruptWindow window);
    /// After an exit; EVENTINJ holds what EXITINTINFO said.
    void settle(ControlArea& control);
    void reset(ControlArea& control);

    [[nodiscard]] bool is_on_its_way() const { return on_its_way_; }

  private:
    static void pend(ControlArea& control, Vector vector);
    static void withdraw(ControlArea& control);

    bool on_its_way_{};
};

} // namespace ravelin::hv::svm

// SPDX-License-Identifier: Apache-2.0
// cpu::VirtualCpu on AMD SVM with nested paging. One VMCB a vCPU; every run uses all fields the
// caller changed since the last one and marks the rest clean.
#pragma once

#include <base/table_memory.hpp>
#include <hv/cpu/virtual_cpu.hpp>
#include <hv/svm/host.hpp>
#include <hv/svm/virtual_interrupt.hpp>
#include <hv/svm/vmcb.hpp>

#include <array>

namespace ravelin::hv::svm {

class VirtualCpu final : public cpu::VirtualCpu {
  public:
    VirtualCpu() = default;
    VirtualCpu(const VirtualCpu&) = delete;
    VirtualCpu& operator=(const VirtualCpu&) = delete;

    /// Allocates VMCB and extended-state area and sets the fixed intercepts. `host` is the CPU the
    /// vCPU runs on at first, `nested_root` its domain's stage-2 root.
    [[nodiscard]] Status<Error>
    initialise(Host& host, TableMemory& frames, HostPhysical nested_root);
    /// For a vCPU that has others to wait for: spinning by PAUSE exits, after a while where the CPU
    /// counts, at once where it does not. Not loaded.
    void leave_when_spinning();
    /// Gives both back; it never runs again.
    void release(TableMemory& frames);
    /// Says on which CPU it is loaded next. Context: that CPU, not loaded anywhere.
    void set_host(Host& host);

    void load() override;
    void unload() override;
    [[nodiscard]] cpu::Exit run(cpu::GeneralRegisters& registers) override;

    void reset_to_flat_protected_mode(u32 rip) override;
    void reset_to_start_up(Vector page) override;

    [[nodiscard]] u8 hypercall_opcode() const override { return 0xd9; } // VMMCALL
    [[nodiscard]] u64 rip() const override { return vmcb_->save.rip; }
    [[nodiscard]] u64 cr4() const override { return vmcb_->save.cr4; }
    void skip(u8 instruction_bytes) override;
    void set_next_rip(u64 rip) override;
    [[nodiscard]] cpu::PagingState paging_state() const override;
    [[nodiscard]] u8 privilege_level() const override { return vmcb_->save.cpl; }
    [[nodiscard]] bool in_64bit_kernel() const override;
    [[nodiscard]] cpu::CodeSize code_size() const override;
    [[nodiscard]] cpu::Segment segment(cpu::SegmentName name) const override;

    [[nodiscard]] u64 efer() const override;
    void set_efer(u64 value) override;
    [[nodiscard]] u64 xcr0() const override;
    void set_xcr0(u64 value) override;

    [[nodiscard]] bool can_take_interrupt() const override;
    [[nodiscard]] bool has_event() const override {
        return vmcb_->control.eventinj != 0 || line_.is_on_its_way();
    }
    [[nodiscard]] bool interrupts_enabled() const override;
    void inject_interrupt(Vector vector) override;
    void inject_exception(cpu::Exception exception, std::optional<u32> error_code) override;
    void inject_page_fault(GuestVirtual address, u32 error_code) override;
    void request_interrupt_window(cpu::InterruptWindow window) override;

    [[nodiscard]] u8 task_priority() const override;
    void set_task_priority(u8 cr8) override;
    void set_tsc_offset(u64 offset) override;
    [[nodiscard]] u64 tsc_offset() const override { return vmcb_->control.tsc_offset; }
    void flush_translations() override;
    [[nodiscard]] const cpu::SwitchCounters& counters() const override { return counters_; }

  private:
    void touch(Clean group) { vmcb_->control.vmcb_clean &= ~u64{static_cast<u32>(group)}; }
    void set_segment(cpu::SegmentName name, const cpu::Segment& value);
    void reset_state();
    void use_asid();

    Vmcb* vmcb_{};
    u64 vmcb_physical_{};
    Host* host_{};
    u64 asid_generation_{};                ///< of host_; 0 is none
    std::array<u64, 4> debug_addresses_{}; ///< DR0-DR3 while not loaded
    u64 extended_state_{};                 ///< virtual address of the XSAVE area, one frame
    HostFrame extended_frame_{};
    u64 xcr0_{1};
    u64 xcr0_supported_{1};
    bool has_xsave_{};
    bool loaded_{};
    VirtualInterruptLine line_;
    cpu::SwitchCounters counters_;
};

} // namespace ravelin::hv::svm

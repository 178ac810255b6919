// SPDX-License-Identifier: Apache-2.0
// cpu::VirtualCpu on VMX: one VMCS, entered by VMLAUNCH and VMRESUME, with EPT and an unrestricted
// guest. It trusts the frames it is given to be its own. [SDM vol3 25-28]
#pragma once

#include <hv/cpu/virtual_cpu.hpp>
#include <hv/guest/memory.hpp>
#include <hv/stage2/page_table.hpp>
#include <hv/vmx/operation.hpp>

namespace ravelin::hv::vmx {

/// The frames that one vCPU's hardware structures live in; each belongs to this vCPU alone.
struct Frames {
    HostFrame vmcs;
    HostFrame virtual_apic;
    HostFrame msr_bitmap;
};

class VmxCpu final : public cpu::VirtualCpu {
  public:
    /// Builds the VMCS and makes it current. Precondition: this CPU is in VMX operation.
    [[nodiscard]] static Status<Error> prepare(VmxCpu& cpu);
    VmxCpu(const Operation& operation,
           guest::FrameAccess& memory,
           const Frames& frames,
           const stage2::PageTable& table);
    ~VmxCpu();

    void load() override;
    void unload() override;
    [[nodiscard]] cpu::Exit run(cpu::GeneralRegisters& registers) override;
    void reset_to_flat_protected_mode(u32 rip) override;
    void reset_to_start_up(Vector page) override;
    [[nodiscard]] u64 rip() const override;
    [[nodiscard]] u64 cr4() const override;
    void skip(u8 instruction_bytes) override;
    void set_next_rip(u64 rip) override;
    [[nodiscard]] cpu::PagingState paging_state() const override;
    [[nodiscard]] u8 privilege_level() const override;
    [[nodiscard]] bool in_64bit_kernel() const override;
    [[nodiscard]] cpu::CodeSize code_size() const override;
    [[nodiscard]] cpu::Segment segment(cpu::SegmentName name) const override;
    [[nodiscard]] u64 efer() const override;
    void set_efer(u64 value) override;
    [[nodiscard]] u64 xcr0() const override { return guest_xcr0_; }
    void set_xcr0(u64 value) override;
    [[nodiscard]] bool can_take_interrupt() const override;
    [[nodiscard]] bool has_event() const override;
    [[nodiscard]] bool interrupts_enabled() const override;
    void inject_interrupt(Vector vector) override;
    void inject_exception(cpu::Exception exception, std::optional<u32> error_code) override;
    void inject_page_fault(GuestVirtual address, u32 error_code) override;
    void request_interrupt_window(cpu::InterruptWindow window) override;
    [[nodiscard]] u8 task_priority() const override;
    void set_task_priority(u8 cr8) override;
    void set_tsc_offset(u64 offset) override;
    [[nodiscard]] u64 tsc_offset() const override;
    void flush_translations() override;
    [[nodiscard]] const cpu::SwitchCounters& counters() const override { return counters_; }

    /// VM_INSTRUCTION_ERROR of the last entry that VMfailValid refused. [SDM vol3 31.4]
    [[nodiscard]] u32 instruction_error() const { return instruction_error_; }

  private:
    [[nodiscard]] Status<Error> write_controls();
    void write_host_state() const;
    void write_flat_segments(u16 code_rights, u16 data_rights);
    [[nodiscard]] cpu::Exit decode_exit();
    void reinject_interrupted_event() const;

    const Operation& operation_;
    guest::FrameAccess& memory_;
    Frames frames_;
    HostPhysical stage2_root_;
    u64 ept_pointer_{};
    u64 guest_xcr0_{1};
    u64 host_xcr0_{1};
    u32 instruction_error_{};
    bool launched_{false};
    cpu::SwitchCounters counters_{};
};

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// cpu::VirtualCpu on VMX: one VMCS, entered by VMLAUNCH and VMRESUME, with EPT and an unrestricted
// guest. A VMCS is reached only while it is the CPU's current one, which it is from load() to
// unload(); what is asked of it before the first load() is done then. [SDM vol3 25-28]
#pragma once

#include <hv/cpu/virtual_cpu.hpp>
#include <hv/vmx/host.hpp>
#include <hv/vmx/instruction.hpp>
#include <hv/vmx/lazy_state.hpp>

namespace ravelin::hv::vmx {

class VirtualCpu final : public cpu::VirtualCpu {
  public:
    VirtualCpu() = default;
    VirtualCpu(const VirtualCpu&) = delete;
    VirtualCpu& operator=(const VirtualCpu&) = delete;

    /// Allocates VMCS, virtual-APIC page and extended-state area. `host` is the CPU the vCPU runs
    /// on at first, `ept_root` its domain's stage-2 root.
    [[nodiscard]] Status<Error> initialise(Host& host, TableMemory& frames, HostPhysical ept_root);
    /// For a vCPU that has others to wait for: spinning by PAUSE exits, after a while where the CPU
    /// counts, at once where it does not. Before it first runs.
    void leave_when_spinning() { leaves_when_spinning_ = true; }
    /// Gives the frames back; it never runs again. Not loaded.
    void release(TableMemory& frames);
    /// Says on which CPU it is loaded next. Context: that CPU, not loaded anywhere.
    void set_host(Host& host);

    void load() override;
    void unload() override;
    [[nodiscard]] cpu::Exit run(cpu::GeneralRegisters& registers) override;

    void reset_to_flat_protected_mode(u32 rip) override;
    void reset_to_start_up(Vector page) override;

    [[nodiscard]] u8 hypercall_opcode() const override { return 0xc1; } // VMCALL
    [[nodiscard]] u64 rip() const override { return read<field::guest_rip>(); }
    [[nodiscard]] u64 cr4() const override;
    void skip(u8 instruction_bytes) override { set_next_rip(rip() + instruction_bytes); }
    void set_next_rip(u64 rip) override;
    [[nodiscard]] cpu::PagingState paging_state() const override;
    [[nodiscard]] u8 privilege_level() const override;
    [[nodiscard]] bool in_64bit_kernel() const override;
    [[nodiscard]] cpu::CodeSize code_size() const override;
    [[nodiscard]] cpu::Segment segment(cpu::SegmentName name) const override;

    [[nodiscard]] u64 efer() const override { return read<field::guest_efer>(); }
    void set_efer(u64 value) override;
    [[nodiscard]] u64 xcr0() const override { return lazy_.xcr0(); }
    void set_xcr0(u64 value) override { lazy_.set_xcr0(value); }

    [[nodiscard]] bool can_take_interrupt() const override;
    [[nodiscard]] bool has_event() const override { return event_ != 0; }
    [[nodiscard]] bool interrupts_enabled() const override;
    void inject_interrupt(Vector vector) override;
    void inject_exception(cpu::Exception exception, std::optional<u32> error_code) override;
    void inject_page_fault(GuestVirtual address, u32 error_code) override;
    void request_interrupt_window(cpu::InterruptWindow window) override;

    [[nodiscard]] u8 task_priority() const override;
    void set_task_priority(u8 cr8) override;
    void set_tsc_offset(u64 offset) override;
    [[nodiscard]] u64 tsc_offset() const override { return tsc_offset_; }
    void flush_translations() override;
    [[nodiscard]] const cpu::SwitchCounters& counters() const override { return counters_; }

    /// A field of the VMCS, while it is the current one; zero once a VMX instruction has failed.
    template <typename F> [[nodiscard]] typename F::value_type read() const {
        return broken_.raw != 0 ? typename F::value_type{} : vmread<F>();
    }
    template <typename F>
    requires(F::writable) void write(typename F::value_type value) {
        if (broken_.raw == 0)
            vmwrite<F>(value);
    }

  private:
    /// Which state it begins with, once it can be written.
    struct Start {
        enum class Mode : u8 { none, flat, real } mode{Mode::none};
        u32 rip{};
        Vector page{};
    };

    void write_controls();
    void write_host_state();
    void use_vpid();
    void apply(const Start& start);
    void write_segments(
        u32 code, u16 code_selector, u64 code_base, u32 data, u16 data_selector, u32 limit);
    void give_up(InstructionError error);
    [[nodiscard]] cpu::Exit answer_exit(cpu::GeneralRegisters& registers);
    [[nodiscard]] cpu::Exit answer_exception(u32 reason);
    [[nodiscard]] cpu::Exit answer_control_register(const cpu::GeneralRegisters& registers);
    void redeliver_interrupted_event();
    void inject(u32 event);
    [[nodiscard]] u64 cr0_owned() const;

    Host* host_{};
    HostFrame vmcs_{};
    HostFrame virtual_apic_{};
    u64* virtual_apic_page_{};
    u64 ept_pointer_{};
    u64 tsc_offset_{};
    u64 vpid_generation_{}; ///< of host_; 0 is none
    u32 primary_{};
    u32 event_{}; ///< what the next entry delivers
    u16 vpid_{};
    bool on_new_host_{true};
    bool prepared_{};
    bool launched_{};
    bool loaded_{};
    bool leaves_when_spinning_{};
    cpu::FailedExit broken_{}; ///< not zero: a VMX instruction failed, nothing runs from then on
    Start start_{};
    LazyState lazy_;
    cpu::SwitchCounters counters_;
};

} // namespace ravelin::hv::vmx

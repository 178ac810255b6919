// SPDX-License-Identifier: Apache-2.0
// The one interface to the CPU's virtualisation: SVM and VMX each implement VirtualCpu, and the run
// loop, hypercalls and builder see nothing else. All calls are made on the physical CPU that runs
// the vCPU, with interrupts disabled, while the guest does not run.
#pragma once

#include <hv/cpu/exit.hpp>
#include <hv/cpu/registers.hpp>

#include <optional>

namespace ravelin::hv::cpu {

/// Registers that decide how guest-virtual addresses are translated and what may be done.
struct PagingState {
    u64 cr0;
    u64 cr3;
    u64 cr4;
    u64 efer;
    u64 rflags;
    u8 cpl;
};

/// How wide the guest's current code is.
enum class CodeSize : u8 { bits16, bits32, bits64 };

enum class InterruptWindow : u8 { not_wanted, wanted };

/// Numbers that instruction counts make look free; printed by the benchmarks.
struct SwitchCounters {
    u64 world_switches{};
    u64 tlb_flushes{};
    u64 xcr0_writes{};

    SwitchCounters& operator+=(const SwitchCounters& other) {
        world_switches += other.world_switches;
        tlb_flushes += other.tlb_flushes;
        xcr0_writes += other.xcr0_writes;
        return *this;
    }
};

class VirtualCpu {
  public:
    /// Makes this vCPU's lazily switched state (XCR0, FPU and vector registers) the physical CPU's.
    virtual void load() = 0;
    /// Saves that state, so that another vCPU may be loaded here.
    virtual void unload() = 0;
    /// Runs the guest until it exits. `registers` are the guest's, all sixteen, before and after.
    [[nodiscard]] virtual Exit run(GeneralRegisters& registers) = 0;

    /// 32-bit protected mode, flat segments, paging off, RIP as given: the PVH and multiboot entry
    /// state. The caller sets RBX.
    virtual void reset_to_flat_protected_mode(u32 rip) = 0;
    /// Real mode at vector:0000, after INIT and start-up IPI.
    virtual void reset_to_start_up(Vector page) = 0;

    /// The last byte of the hypercall instruction that makes a HypercallExit: 0F 01 and this.
    [[nodiscard]] virtual u8 hypercall_opcode() const = 0;
    [[nodiscard]] virtual u64 rip() const = 0;
    [[nodiscard]] virtual u64 cr4() const = 0;
    /// Moves RIP past an instruction that was emulated and ends the interrupt shadow it was under.
    virtual void skip(u8 instruction_bytes) = 0;
    /// The same for an instruction whose successor is known by address.
    virtual void set_next_rip(u64 rip) = 0;
    [[nodiscard]] virtual PagingState paging_state() const = 0;
    [[nodiscard]] virtual u8 privilege_level() const = 0;
    /// Whether the guest is at CPL 0 in 64-bit code, where hypercalls are answered.
    [[nodiscard]] virtual bool in_64bit_kernel() const = 0;
    [[nodiscard]] virtual CodeSize code_size() const = 0;
    [[nodiscard]] virtual Segment segment(SegmentName name) const = 0;

    [[nodiscard]] virtual u64 efer() const = 0;
    /// Sets EFER as the guest sees it; the back end adds what it needs itself.
    virtual void set_efer(u64 value) = 0;

    [[nodiscard]] virtual u64 xcr0() const = 0;
    /// Sets XCR0; the caller has checked it against the CPUID policy.
    virtual void set_xcr0(u64 value) = 0;

    /// True when an external interrupt injected now is accepted: IF set, no shadow, no event
    /// waiting for delivery.
    [[nodiscard]] virtual bool can_take_interrupt() const = 0;
    /// Whether the next entry carries an event already.
    [[nodiscard]] virtual bool has_event() const = 0;
    /// Whether RFLAGS.IF is set.
    [[nodiscard]] virtual bool interrupts_enabled() const = 0;
    /// Delivers an external interrupt at the next entry. Precondition: can_take_interrupt().
    virtual void inject_interrupt(Vector vector) = 0;
    /// Delivers an exception at the next entry, in place of an event still to be delivered.
    virtual void inject_exception(Exception exception,
                                  std::optional<u32> error_code = std::nullopt) = 0;
    /// Delivers #PF with CR2.
    virtual void inject_page_fault(GuestVirtual address, u32 error_code) = 0;
    /// Asks for an InterruptWindowExit when the guest could take an interrupt.
    virtual void request_interrupt_window(InterruptWindow window) = 0;

    /// The task priority (CR8), which the guest can change without an exit.
    [[nodiscard]] virtual u8 task_priority() const = 0;
    virtual void set_task_priority(u8 cr8) = 0;

    /// What the guest's TSC is ahead of the host's.
    virtual void set_tsc_offset(u64 offset) = 0;
    [[nodiscard]] virtual u64 tsc_offset() const = 0;

    /// Drops translations of this guest that the CPU caches; needed after stage-2 rights shrink.
    virtual void flush_translations() = 0;

    [[nodiscard]] virtual const SwitchCounters& counters() const = 0;

  protected:
    ~VirtualCpu() = default;
};

} // namespace ravelin::hv::cpu

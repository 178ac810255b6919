// SPDX-License-Identifier: Apache-2.0
// Entering the guest, what its exit needs at once, and the accessors. [SDM vol3 26-28]
#include "hv/vmx/virtual_cpu.hpp"

#include "control_registers.hpp"
#include "hv/vmx/exit.hpp"
#include "machine.hpp"
#include "rights.hpp"

#include <utility>

extern "C" ravelin::u64 ravelin_vmx_run(ravelin::u64* registers, ravelin::u64 launched);

namespace ravelin::hv::vmx {
namespace {

struct Interruptibility { // [SDM vol3 table 25-3]
    using BlockingBySti = BitFlag<u32, 0>;
    using BlockingByMovSs = BitFlag<u32, 1>;
    using BlockingByNmi = BitFlag<u32, 3>;
    static constexpr u32 shadow = BlockingBySti::mask | BlockingByMovSs::mask;
};
constexpr u64 dr7_general_detect = 1u << 13;
constexpr u64 dr6_conditions = 0xf | 7u << 13; // B0-B3, BD, BS, BT [SDM vol3 18.2.3]
/// Marks a FailedExit of an entry that never began; the low half is the VM-instruction error.
constexpr u64 not_entered = u64{1} << 63;
constexpr u64 low32 = 0xffff'ffff;

} // namespace

void VirtualCpu::give_up(InstructionError error) {
    broken_ = {not_entered | static_cast<u32>(error), describe(error)};
}

void VirtualCpu::set_host(Host& host) {
    if (host_ == &host)
        return;
    on_new_host_ = true;
    vpid_generation_ = 0; // what that CPU has cached for this guest is older than the guest
    host_ = &host;
}

void VirtualCpu::load() {
    lazy_.load();
    loaded_ = true;
    if (!prepared_ && !vmclear(vmcs_.address()))
        return give_up(InstructionError::vmclear_address);
    // Without a current VMCS the reason has nowhere to be. [SDM vol3 31.2]
    if (!vmptrld(vmcs_.address()))
        return give_up(InstructionError::vmptrld_revision);
    if (!prepared_)
        write_controls();
    prepared_ = true;
    if (on_new_host_)
        write_host_state();
    on_new_host_ = false;
    use_vpid();
    if (start_.mode != Start::Mode::none)
        apply(std::exchange(start_, Start{}));
}

void VirtualCpu::unload() {
    // VMCLEAR, so that another CPU may load it and its frame may be given back; it must then be
    // launched again. [SDM vol3 25.11.1]
    if (!vmclear(vmcs_.address()))
        give_up(InstructionError::vmclear_address);
    launched_ = false;
    loaded_ = false;
    lazy_.unload();
}

void VirtualCpu::use_vpid() {
    if (vpid_generation_ == host_->generation())
        return;
    vpid_ = host_->take_vpid();
    vpid_generation_ = host_->generation();
    if (vpid_ != 0) {
        write<field::vpid>(vpid_);
        if (!forget_vpid(host_->capabilities(), vpid_))
            give_up(last_error());
    }
    flush_translations();
}

cpu::Exit VirtualCpu::run(cpu::GeneralRegisters& registers) {
    if (broken_.raw != 0)
        return broken_;
    write<field::guest_rsp>(registers[cpu::Register::rsp]);
    const u64 outcome = ravelin_vmx_run(registers.values.data(), launched_ ? 1 : 0);
    ++counters_.world_switches;
    counters_.xcr0_writes = lazy_.xcr0_writes();
    if (outcome != 0) {
        constexpr u64 fail_valid = 2; // run.S; the other is VMfailInvalid
        const InstructionError error =
            outcome == fail_valid ? last_error() : InstructionError::none;
        return cpu::FailedExit{not_entered | static_cast<u32>(error), describe(error)};
    }
    return answer_exit(registers);
}

cpu::Exit VirtualCpu::answer_exit(cpu::GeneralRegisters& registers) {
    const u32 reason = vmread<field::exit_reason>();
    if (ExitReason::EntryFailure::get(reason)) {
        // The launch state is as it was, nothing of the guest ran. [SDM vol3 27.8]
        return cpu::FailedExit{vmread<field::exit_qualification>() << 32 | reason,
                               "the CPU refuses the guest's state (VM-entry failure)"};
    }
    launched_ = true;
    registers[cpu::Register::rsp] = vmread<field::guest_rsp>();
    event_ = 0; // the CPU has cleared the field's valid bit [SDM vol3 28.2]
    redeliver_interrupted_event();
    switch (ExitReason::Basic::get(reason)) {
    case Reason::exception_or_nmi:
        return answer_exception(reason);
    case Reason::control_register:
        return answer_control_register(registers);
    case Reason::interrupt_window:
        request_interrupt_window(cpu::InterruptWindow::not_wanted);
        return cpu::InterruptWindowExit{};
    case Reason::preemption_timer:
        // What the CPU may have kept from ending the run is pending still; see README.
        return cpu::HostInterruptExit{};
    default:
        return decode_exit(*this, reason);
    }
}

// An event whose delivery this exit interrupted is lost unless it is entered again. [SDM
// vol3 28.2.4]
void VirtualCpu::redeliver_interrupted_event() {
    const u32 vectoring = vmread<field::idt_vectoring_information>();
    const Redelivery again = event_to_redeliver(vectoring);
    if (again.event == 0) [[likely]]
        return;
    if (again.with_error_code)
        vmwrite<field::entry_exception_error_code>(vmread<field::idt_vectoring_error_code>());
    if (again.with_length)
        vmwrite<field::entry_instruction_length>(vmread<field::exit_instruction_length>());
    if (again.ends_nmi_blocking)
        vmwrite<field::guest_interruptibility>(
            Interruptibility::BlockingByNmi::set(vmread<field::guest_interruptibility>(), false));
    inject(again.event);
}

cpu::Exit VirtualCpu::answer_exception(u32 reason) {
    const u32 event = vmread<field::exit_interruption_information>();
    if (Event::Type::get(event) == EventType::nmi) {
        // SAFETY: NMIs are blocked until an IRET; vector 2 through our IDT handles it and ends the
        // blocking.
        asm volatile("int $2" ::: "memory");
        return cpu::ResumeExit{};
    }
    if (static_cast<cpu::Exception>(Event::Vector::get(event)) == cpu::Exception::debug) {
        if (Event::Type::get(event) == EventType::privileged_software_exception) {
            // INT1, a trap: it goes on behind the instruction.
            vmwrite<field::entry_instruction_length>(vmread<field::exit_instruction_length>());
            inject(event);
            return cpu::ResumeExit{};
        }
        // The exit stands before what the delivery does to the registers. [SDM vol3 28.1]
        lazy_.set_dr6((lazy_.dr6() & ~dr6_conditions) |
                      (vmread<field::exit_qualification>() & dr6_conditions));
        vmwrite<field::guest_dr7>(vmread<field::guest_dr7>() & ~dr7_general_detect);
        vmwrite<field::guest_interruptibility>(vmread<field::guest_interruptibility>() &
                                               ~Interruptibility::shadow);
    }
    return decode_exception(*this, reason);
}

// Only a MOV that gives a bit of the host's another value than the shadow comes here. Once the
// shadow has the new value the instruction is executed again, by the CPU, with all its checks.
cpu::Exit VirtualCpu::answer_control_register(const cpu::GeneralRegisters& registers) {
    using Qualification = ControlRegisterQualification;
    const cpu::ReflectedExceptionExit protection{cpu::Exception::general_protection, 0};
    const u64 qualification = vmread<field::exit_qualification>();
    if (Qualification::AccessType::get(qualification) != Qualification::Access::move_to)
        return cpu::FailedExit{static_cast<u64>(Reason::control_register)};
    u64 value =
        registers[static_cast<cpu::Register>(Qualification::General::get(qualification) & 15)];
    if (code_size() != cpu::CodeSize::bits64)
        value &= low32;
    const u8 number = Qualification::Number::get(qualification);
    if (number == 0) {
        // The real bits are clear, so the CPU would not see this. [SDM vol3 2.5]
        if (cpu::Cr0::NotWriteThrough::get(value) && !cpu::Cr0::CacheDisable::get(value))
            return protection;
        if (value > low32)
            return protection;
        vmwrite<field::cr0_shadow>(value);
        return cpu::ResumeExit{};
    }
    if (number == 4 && (value & ~cr4_allowed) != 0)
        return protection;
    return cpu::FailedExit{static_cast<u64>(Reason::control_register)};
}

u64 VirtualCpu::cr4() const {
    // Every bit of the host's is zero to the guest.
    return read<field::guest_cr4>() & cr4_allowed;
}

void VirtualCpu::set_next_rip(u64 rip) {
    write<field::guest_rip>(rip);
    const u32 before = read<field::guest_interruptibility>();
    if ((before & Interruptibility::shadow) != 0)
        write<field::guest_interruptibility>(before & ~Interruptibility::shadow);
}

cpu::PagingState VirtualCpu::paging_state() const {
    // Bits the host owns are what the shadow says; the rest is the register itself. [SDM
    // vol3 25.6.6]
    const u64 owned = cr0_owned();
    return cpu::PagingState{(read<field::guest_cr0>() & ~owned) |
                                (read<field::cr0_shadow>() & owned),
                            read<field::guest_cr3>(),
                            cr4(),
                            efer(),
                            read<field::guest_rflags>(),
                            privilege_level()};
}

// CPL is SS.DPL. [SDM vol3 25.4.1]
u8 VirtualCpu::privilege_level() const {
    return static_cast<u8>((read<field::guest_ss_rights>() >> 5) & 3);
}

bool VirtualCpu::in_64bit_kernel() const {
    return privilege_level() == 0 && code_size() == cpu::CodeSize::bits64;
}

cpu::CodeSize VirtualCpu::code_size() const {
    const u16 attributes = from_rights(read<field::guest_cs_rights>());
    if (cpu::Efer::LongModeActive::get(efer()) && cpu::Segment::LongMode::get(attributes))
        return cpu::CodeSize::bits64;
    return cpu::Segment::DefaultBig::get(attributes) ? cpu::CodeSize::bits32
                                                     : cpu::CodeSize::bits16;
}

cpu::Segment VirtualCpu::segment(cpu::SegmentName name) const {
    using namespace field;
    const auto full = [](u16 selector, u32 rights, u32 limit, u64 base) {
        return cpu::Segment{selector, from_rights(rights), limit, base};
    };
    switch (name) {
    case cpu::SegmentName::es:
        return full(read<guest_es_selector>(),
                    read<guest_es_rights>(),
                    read<guest_es_limit>(),
                    read<guest_es_base>());
    case cpu::SegmentName::cs:
        return full(read<guest_cs_selector>(),
                    read<guest_cs_rights>(),
                    read<guest_cs_limit>(),
                    read<guest_cs_base>());
    case cpu::SegmentName::ss:
        return full(read<guest_ss_selector>(),
                    read<guest_ss_rights>(),
                    read<guest_ss_limit>(),
                    read<guest_ss_base>());
    case cpu::SegmentName::ds:
        return full(read<guest_ds_selector>(),
                    read<guest_ds_rights>(),
                    read<guest_ds_limit>(),
                    read<guest_ds_base>());
    case cpu::SegmentName::fs:
        return full(read<guest_fs_selector>(),
                    read<guest_fs_rights>(),
                    read<guest_fs_limit>(),
                    read<guest_fs_base>());
    case cpu::SegmentName::gs:
        return full(read<guest_gs_selector>(),
                    read<guest_gs_rights>(),
                    read<guest_gs_limit>(),
                    read<guest_gs_base>());
    case cpu::SegmentName::ldtr:
        return full(read<guest_ldtr_selector>(),
                    read<guest_ldtr_rights>(),
                    read<guest_ldtr_limit>(),
                    read<guest_ldtr_base>());
    case cpu::SegmentName::tr:
        return full(read<guest_tr_selector>(),
                    read<guest_tr_rights>(),
                    read<guest_tr_limit>(),
                    read<guest_tr_base>());
    case cpu::SegmentName::gdtr:
        return full(0, 0, read<guest_gdtr_limit>(), read<guest_gdtr_base>());
    case cpu::SegmentName::idtr:
        return full(0, 0, read<guest_idtr_limit>(), read<guest_idtr_base>());
    }
    ensure(false, "a segment name outside the enumeration");
    return {};
}

void VirtualCpu::set_efer(u64 value) {
    write<field::guest_efer>(value);
    // The entry control must agree with EFER.LMA; at an exit the CPU sees to it. [SDM
    // vol3 27.3.1.1, 28.2]
    const u32 entry = read<field::entry_controls>();
    write<field::entry_controls>(cpu::Efer::LongModeActive::get(value)
                                     ? entry | EntryControl::ia32e_mode_guest
                                     : entry & ~EntryControl::ia32e_mode_guest);
}

bool VirtualCpu::interrupts_enabled() const {
    return cpu::Rflags::InterruptEnable::get(read<field::guest_rflags>());
}

bool VirtualCpu::can_take_interrupt() const {
    return interrupts_enabled() && !has_event() &&
           (read<field::guest_interruptibility>() & Interruptibility::shadow) == 0;
}

void VirtualCpu::inject(u32 event) {
    event_ = event;
    write<field::entry_interruption_information>(event);
}

void VirtualCpu::inject_interrupt(Vector vector) {
    ensure(!has_event(), "an interrupt is injected over another event");
    inject(Event::Vector::of(vector.raw()) | Event::Type::of(EventType::external_interrupt) |
           Event::Valid::of(true));
}

void VirtualCpu::inject_exception(cpu::Exception exception, std::optional<u32> error_code) {
    const bool nmi = exception == cpu::Exception::nmi;
    // In real mode no exception has an error code. [SDM vol3 27.2.1.3]
    const bool coded = error_code && cpu::Cr0::ProtectionEnable::get(read<field::guest_cr0>());
    write<field::entry_exception_error_code>(error_code.value_or(0));
    inject(Event::Vector::of(static_cast<u8>(exception)) |
           Event::Type::of(nmi ? EventType::nmi : EventType::exception) |
           Event::HasErrorCode::of(coded) | Event::Valid::of(true));
}

void VirtualCpu::inject_page_fault(GuestVirtual address, u32 error_code) {
    lazy_.set_cr2(address.raw());
    inject_exception(cpu::Exception::page_fault, error_code);
}

void VirtualCpu::request_interrupt_window(cpu::InterruptWindow window) {
    const u32 wanted = window == cpu::InterruptWindow::wanted
                           ? primary_ | Primary::interrupt_window_exiting
                           : primary_ & ~Primary::interrupt_window_exiting;
    if (wanted == primary_)
        return;
    primary_ = wanted;
    write<field::primary_controls>(primary_);
}

void VirtualCpu::set_tsc_offset(u64 offset) {
    tsc_offset_ = offset;
    if (loaded_)
        write<field::tsc_offset>(offset);
}

// The task priority register is at 80h of the virtual-APIC page; CR8 is its bits 7:4. [SDM
// vol3 30.1.1]
u8 VirtualCpu::task_priority() const {
    return static_cast<u8>(virtual_apic_page_[0x80 / 8] >> 4 & 0xf);
}

void VirtualCpu::set_task_priority(u8 cr8) {
    virtual_apic_page_[0x80 / 8] = u64{cr8 & 0xfu} << 4;
}

void VirtualCpu::flush_translations() {
    ++counters_.tlb_flushes;
    if (loaded_ && broken_.raw == 0 && !invept(InveptType::single_context, ept_pointer_))
        give_up(last_error());
}

} // namespace ravelin::hv::vmx

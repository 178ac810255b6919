// SPDX-License-Identifier: Apache-2.0
// Entering the guest, and what its exit means in the words of cpu::Exit. [SDM vol3 26, 28, appendix
// C]
#include "hv/vmx/instruction.hpp"
#include "hv/vmx/vmx_cpu.hpp"

extern "C" ravelin::u64 ravelin_vmx_run(ravelin::u64* registers, ravelin::u64 launched);

namespace ravelin::hv::vmx {
namespace {

enum class Reason : u16 { // [SDM vol3 appendix C]
    exception_or_nmi = 0,
    external_interrupt = 1,
    triple_fault = 2,
    interrupt_window = 7,
    cpuid = 10,
    hlt = 12,
    invd = 13,
    vmcall = 18,
    vmclear = 19,
    vmxon = 27,
    io = 30,
    rdmsr = 31,
    wrmsr = 32,
    ept_violation = 48,
    invept = 50,
    invvpid = 53,
    xsetbv = 55,
};
struct ExitReason {
    using Basic = BitField<u32, 15, 0, Reason>;
    using EntryFailure = BitFlag<u32, 31>;
};
struct IoQualification { // [SDM vol3 table 28-5]
    using SizeLessOne = BitField<u64, 2, 0, u8>;
    using In = BitFlag<u64, 3>;
    using String = BitFlag<u64, 4>;
    using Repeated = BitFlag<u64, 5>;
    using Port = BitField<u64, 31, 16, u16>;
};
struct EptQualification { // [SDM vol3 table 28-7]
    using Read = BitFlag<u64, 0>;
    using Write = BitFlag<u64, 1>;
    using Fetch = BitFlag<u64, 2>;
    using LinearValid = BitFlag<u64, 7>;
    using FinalAccess = BitFlag<u64, 8>;
};
struct VectoringEvent {
    using VectorField = BitField<u32, 7, 0, u8>;
    using HasErrorCode = BitFlag<u32, 11>;
    using Valid = BitFlag<u32, 31>;
    static constexpr u32 reserved = 1u << 12; ///< undefined at exit, must be zero at entry
};

/// The INS/OUTS address size is in the instruction information, bits 9:7. [SDM vol3 table 28-14]
u8 string_address_size() {
    return static_cast<u8>(2u << ((vmread<field::exit_instruction_information>() >> 7) & 3));
}

cpu::Exit decode_io() {
    const u64 qualification = vmread<field::exit_qualification>();
    const bool string = IoQualification::String::get(qualification);
    cpu::IoForm form = cpu::IoForm::single;
    if (string)
        form = IoQualification::Repeated::get(qualification) ? cpu::IoForm::repeated_string
                                                             : cpu::IoForm::string;
    return cpu::IoExit{IoQualification::Port::get(qualification),
                       static_cast<u8>(IoQualification::SizeLessOne::get(qualification) + 1),
                       IoQualification::In::get(qualification) ? cpu::IoDirection::in
                                                               : cpu::IoDirection::out,
                       form,
                       string ? string_address_size() : u8{8},
                       vmread<field::guest_rip>() + vmread<field::exit_instruction_length>()};
}

cpu::Exit decode_ept_violation() {
    const u64 qualification = vmread<field::exit_qualification>();
    Access wanted = Access::read;
    if (EptQualification::Fetch::get(qualification))
        wanted = Access::execute;
    else if (EptQualification::Write::get(qualification))
        wanted = Access::write;
    const bool walk = EptQualification::LinearValid::get(qualification) &&
                      !EptQualification::FinalAccess::get(qualification);
    return cpu::Stage2FaultExit{GuestPhysical{vmread<field::guest_physical_address>()},
                                wanted,
                                walk ? cpu::Stage2FaultExit::During::page_walk
                                     : cpu::Stage2FaultExit::During::access};
}

} // namespace

cpu::Exit VmxCpu::run(cpu::GeneralRegisters& registers) {
    vmwrite<field::guest_rsp>(registers[cpu::Register::rsp]);
    const u64 outcome = ravelin_vmx_run(registers.values.data(), launched_ ? 1 : 0);
    ++counters_.world_switches;
    if (outcome != 0) {
        // VMfailInvalid: no current VMCS; VMfailValid: the controls or the host state are refused.
        // [SDM vol3 27.1]
        instruction_error_ = outcome == 2 ? vmread<field::instruction_error>() : 0;
        return cpu::FailedExit{u64{1} << 63 | instruction_error_};
    }
    launched_ = true;
    registers[cpu::Register::rsp] = vmread<field::guest_rsp>();
    return decode_exit();
}

// An event whose delivery this exit interrupted is lost unless it is entered again. [SDM
// vol3 28.2.4]
void VmxCpu::reinject_interrupted_event() const {
    const u32 event = vmread<field::idt_vectoring_information>();
    if (!VectoringEvent::Valid::get(event)) {
        vmwrite<field::entry_interruption_information>(0);
        return;
    }
    if (VectoringEvent::HasErrorCode::get(event))
        vmwrite<field::entry_exception_error_code>(vmread<field::idt_vectoring_error_code>());
    vmwrite<field::entry_instruction_length>(vmread<field::exit_instruction_length>());
    vmwrite<field::entry_interruption_information>(event & ~VectoringEvent::reserved);
}

cpu::Exit VmxCpu::decode_exit() {
    const u32 reason = vmread<field::exit_reason>();
    if (ExitReason::EntryFailure::get(reason)) {
        launched_ = false; // a failed VMLAUNCH leaves the VMCS "clear" [SDM vol3 27.8]
        return cpu::FailedExit{reason};
    }
    reinject_interrupted_event();
    const Reason basic = ExitReason::Basic::get(reason);
    switch (basic) {
    case Reason::exception_or_nmi: {
        const u32 event = vmread<field::exit_interruption_information>();
        const u8 vector = VectoringEvent::VectorField::get(event);
        if (vector == static_cast<u8>(cpu::Exception::undefined_opcode))
            return cpu::UndefinedOpcodeExit{};
        if (vector == static_cast<u8>(cpu::Exception::nmi)) {
            // SAFETY: NMIs are blocked until an IRET; vector 2 through our IDT handles it and ends
            // the blocking.
            asm volatile("int $2");
            return cpu::ResumeExit{};
        }
        return cpu::FailedExit{reason};
    }
    case Reason::external_interrupt:
        return cpu::HostInterruptExit{};
    case Reason::triple_fault:
        return cpu::ShutdownExit{};
    case Reason::interrupt_window:
        request_interrupt_window(cpu::InterruptWindow::not_wanted);
        return cpu::InterruptWindowExit{};
    case Reason::cpuid:
        return cpu::CpuidExit{};
    case Reason::hlt:
        vmwrite<field::guest_activity>(0);
        return cpu::HaltExit{};
    case Reason::invd:
        return cpu::CacheFlushExit{};
    case Reason::vmcall:
        return cpu::HypercallExit{};
    case Reason::io:
        return decode_io();
    case Reason::rdmsr:
        return cpu::MsrReadExit{};
    case Reason::wrmsr:
        return cpu::MsrWriteExit{};
    case Reason::ept_violation:
        return decode_ept_violation();
    case Reason::xsetbv:
        return cpu::XsetbvExit{};
    case Reason::invept:
    case Reason::invvpid:
        return cpu::ReflectedExceptionExit{cpu::Exception::undefined_opcode, std::nullopt};
    default:
        break;
    }
    if (basic >= Reason::vmclear && basic <= Reason::vmxon)
        return cpu::ReflectedExceptionExit{cpu::Exception::undefined_opcode, std::nullopt};
    return cpu::FailedExit{reason};
}

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// What a VM exit says, as a vendor-neutral Exit: a function of the fields that a Vmcs gives, the
// current one or a test's. What concerns nobody above (NMIs, control registers, the preemption
// timer) VirtualCpu has answered before. [SDM vol3 28, appendix C]
#pragma once

#include <base/bits.hpp>
#include <hv/cpu/exit.hpp>
#include <hv/vmx/field.hpp>

namespace ravelin::hv::vmx {

enum class Reason : u16 { // [SDM vol3 appendix C]
    exception_or_nmi = 0,
    external_interrupt = 1,
    triple_fault = 2,
    init_signal = 3,
    interrupt_window = 7,
    cpuid = 10,
    getsec = 11,
    hlt = 12,
    invd = 13,
    rdpmc = 15,
    rsm = 17,
    vmcall = 18,
    vmclear = 19,
    vmlaunch = 20,
    vmptrld = 21,
    vmptrst = 22,
    vmread = 23,
    vmresume = 24,
    vmwrite = 25,
    vmxoff = 26,
    vmxon = 27,
    control_register = 28,
    io = 30,
    rdmsr = 31,
    wrmsr = 32,
    invalid_guest_state = 33,
    msr_loading = 34,
    mwait = 36,
    monitor = 39,
    pause = 40,
    machine_check_at_entry = 41,
    ept_violation = 48,
    ept_misconfiguration = 49,
    invept = 50,
    preemption_timer = 52,
    invvpid = 53,
    xsetbv = 55,
    vmfunc = 59,
    encls = 60,
};
struct ExitReason {
    using Basic = BitField<u32, 15, 0, Reason>;
    using EntryFailure = BitFlag<u32, 31>;
};

/// Interruption information: at entry, at exit, and of an event whose delivery the exit
/// interrupted. [SDM vol3 25.8.3, 25.9.2]
enum class EventType : u8 {
    external_interrupt = 0,
    nmi = 2,
    exception = 3,
    software_interrupt = 4,
    privileged_software_exception = 5,
    software_exception = 6,
};
struct Event {
    using Vector = BitField<u32, 7, 0, u8>;
    using Type = BitField<u32, 10, 8, EventType>;
    using HasErrorCode = BitFlag<u32, 11>;
    using NmiUnblocking = BitFlag<u32, 12>; ///< at exit; reserved at entry
    using Valid = BitFlag<u32, 31>;
};

struct IoQualification { // [SDM vol3 table 28-5]
    using SizeLessOne = BitField<u64, 2, 0, u8>;
    using In = BitFlag<u64, 3>;
    using String = BitFlag<u64, 4>;
    using Repeated = BitFlag<u64, 5>;
    using Port = BitField<u64, 31, 16, u16>;
};
struct IoInformation { // [SDM vol3 table 28-14]
    using AddressSize = BitField<u32, 9, 7, u8>;
};
struct EptQualification { // [SDM vol3 table 28-7]
    using Read = BitFlag<u64, 0>;
    using Write = BitFlag<u64, 1>;
    using Fetch = BitFlag<u64, 2>;
    using LinearValid = BitFlag<u64, 7>;
    using FinalAccess = BitFlag<u64, 8>;
};
struct ControlRegisterQualification { // [SDM vol3 table 28-3]
    enum class Access : u8 { move_to = 0, move_from = 1, clts = 2, lmsw = 3 };
    using Number = BitField<u64, 3, 0, u8>;
    using AccessType = BitField<u64, 5, 4, Access>;
    using General = BitField<u64, 11, 8, u8>;
};

template <typename Vmcs> [[nodiscard]] cpu::Exit decode_io(const Vmcs& vmcs) {
    const u64 qualification = vmcs.template read<field::exit_qualification>();
    const bool string = IoQualification::String::get(qualification);
    cpu::IoForm form = cpu::IoForm::single;
    u8 address_size = 8;
    if (string) {
        form = IoQualification::Repeated::get(qualification) ? cpu::IoForm::repeated_string
                                                             : cpu::IoForm::string;
        address_size =
            static_cast<u8>(2u << (IoInformation::AddressSize::get(
                                       vmcs.template read<field::exit_instruction_information>()) &
                                   3));
    }
    const u8 size = static_cast<u8>(IoQualification::SizeLessOne::get(qualification) + 1);
    if (size != 1 && size != 2 && size != 4)
        return cpu::FailedExit{qualification};
    return cpu::IoExit{IoQualification::Port::get(qualification),
                       size,
                       IoQualification::In::get(qualification) ? cpu::IoDirection::in
                                                               : cpu::IoDirection::out,
                       form,
                       address_size,
                       vmcs.template read<field::guest_rip>() +
                           vmcs.template read<field::exit_instruction_length>()};
}

template <typename Vmcs> [[nodiscard]] cpu::Exit decode_ept_violation(const Vmcs& vmcs) {
    const u64 qualification = vmcs.template read<field::exit_qualification>();
    Access wanted = Access::read;
    if (EptQualification::Fetch::get(qualification))
        wanted = Access::execute;
    else if (EptQualification::Write::get(qualification))
        wanted = Access::write;
    const bool walk = EptQualification::LinearValid::get(qualification) &&
                      !EptQualification::FinalAccess::get(qualification);
    return cpu::Stage2FaultExit{GuestPhysical{vmcs.template read<field::guest_physical_address>()},
                                wanted,
                                walk ? cpu::Stage2FaultExit::During::page_walk
                                     : cpu::Stage2FaultExit::During::access};
}

template <typename Vmcs> [[nodiscard]] cpu::Exit decode_exception(const Vmcs& vmcs, u32 reason) {
    const u32 event = vmcs.template read<field::exit_interruption_information>();
    switch (static_cast<cpu::Exception>(Event::Vector::get(event))) {
    case cpu::Exception::undefined_opcode:
        return cpu::UndefinedOpcodeExit{};
    case cpu::Exception::debug:
        return cpu::ReflectedExceptionExit{cpu::Exception::debug, std::nullopt};
    case cpu::Exception::alignment_check:
        return cpu::ReflectedExceptionExit{cpu::Exception::alignment_check, 0};
    default:
        return cpu::FailedExit{u64{event} << 32 | reason};
    }
}

/// `reason` is what the exit-reason field says.
template <typename Vmcs> [[nodiscard]] cpu::Exit decode_exit(const Vmcs& vmcs, u32 reason) {
    switch (ExitReason::Basic::get(reason)) {
    case Reason::cpuid:
        return cpu::CpuidExit{};
    case Reason::vmcall:
        return cpu::HypercallExit{};
    case Reason::io:
        return decode_io(vmcs);
    case Reason::rdmsr:
        return cpu::MsrReadExit{};
    case Reason::wrmsr:
        return cpu::MsrWriteExit{};
    case Reason::hlt:
        return cpu::HaltExit{};
    case Reason::ept_violation:
        return decode_ept_violation(vmcs);
    case Reason::external_interrupt:
        return cpu::HostInterruptExit{};
    case Reason::interrupt_window:
        return cpu::InterruptWindowExit{};
    case Reason::xsetbv:
        return cpu::XsetbvExit{};
    case Reason::exception_or_nmi:
        return decode_exception(vmcs, reason);
    case Reason::invd:
        return cpu::CacheFlushExit{};
    case Reason::pause:
        return cpu::PauseExit{};
    case Reason::rdpmc:
        return cpu::ReflectedExceptionExit{cpu::Exception::general_protection, 0};
    case Reason::getsec:
    case Reason::rsm:
    case Reason::vmclear:
    case Reason::vmlaunch:
    case Reason::vmptrld:
    case Reason::vmptrst:
    case Reason::vmread:
    case Reason::vmresume:
    case Reason::vmwrite:
    case Reason::vmxoff:
    case Reason::vmxon:
    case Reason::invept:
    case Reason::invvpid:
    case Reason::vmfunc:
    case Reason::mwait:
    case Reason::monitor:
    case Reason::encls:
        return cpu::ReflectedExceptionExit{cpu::Exception::undefined_opcode, std::nullopt};
    case Reason::init_signal: // held by the processor in root operation
        return cpu::ResumeExit{};
    case Reason::triple_fault:
        return cpu::ShutdownExit{};
    default:
        return cpu::FailedExit{reason};
    }
}

/// What an event that an exit interrupted needs to be entered again.
struct Redelivery {
    u32 event; ///< 0: nothing to deliver
    bool with_error_code;
    bool with_length; ///< of the instruction that raised it
    bool ends_nmi_blocking;
};
[[nodiscard]] constexpr Redelivery event_to_redeliver(u32 vectoring) {
    if (!Event::Valid::get(vectoring))
        return {};
    const EventType type = Event::Type::get(vectoring);
    return {Event::NmiUnblocking::set(vectoring, false),
            Event::HasErrorCode::get(vectoring),
            type == EventType::software_interrupt || type == EventType::software_exception ||
                type == EventType::privileged_software_exception,
            type == EventType::nmi};
}

} // namespace ravelin::hv::vmx

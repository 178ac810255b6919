// SPDX-License-Identifier: Apache-2.0
#include <hv/svm/exit.hpp>

namespace ravelin::hv::svm {

namespace {

cpu::Exit decode_io(const ControlArea& control) {
    const u64 info = control.exitinfo1;
    cpu::IoForm form = cpu::IoForm::single;
    if (IoInfo::String::get(info))
        form = IoInfo::Repeat::get(info) ? cpu::IoForm::repeated_string : cpu::IoForm::string;
    u8 address_size = 8;
    if (IoInfo::Address16::get(info))
        address_size = 2;
    else if (IoInfo::Address32::get(info))
        address_size = 4;
    const u8 size = IoInfo::Size::get(info);
    if (size != 1 && size != 2 && size != 4)
        return cpu::FailedExit{info};
    return cpu::IoExit{IoInfo::Port::get(info),
                       size,
                       IoInfo::In::get(info) ? cpu::IoDirection::in : cpu::IoDirection::out,
                       form,
                       address_size,
                       control.exitinfo2};
}

cpu::Exit decode_nested_fault(const ControlArea& control) {
    const u64 info = control.exitinfo1;
    Access wanted = Access::read;
    if (NestedFaultInfo::InstructionFetch::get(info))
        wanted = Access::execute;
    else if (NestedFaultInfo::Write::get(info))
        wanted = Access::write;
    return cpu::Stage2FaultExit{GuestPhysical{control.exitinfo2},
                                wanted,
                                NestedFaultInfo::DuringPageWalk::get(info)
                                    ? cpu::Stage2FaultExit::During::page_walk
                                    : cpu::Stage2FaultExit::During::access};
}

} // namespace

cpu::Exit decode_exit(const ControlArea& control) {
    switch (control.exitcode) {
    case ExitCode::cpuid:
        return cpu::CpuidExit{};
    case ExitCode::vmmcall:
        return cpu::HypercallExit{};
    case ExitCode::ioio:
        return decode_io(control);
    case ExitCode::msr:
        if (control.exitinfo1 == 0)
            return cpu::MsrReadExit{};
        return cpu::MsrWriteExit{};
    case ExitCode::hlt:
        return cpu::HaltExit{};
    case ExitCode::npf:
        return decode_nested_fault(control);
    case ExitCode::intr:
        return cpu::HostInterruptExit{};
    case ExitCode::vintr:
        return cpu::InterruptWindowExit{};
    case ExitCode::xsetbv:
        return cpu::XsetbvExit{};
    case ExitCode::exception_undefined_opcode:
        return cpu::UndefinedOpcodeExit{};
    case ExitCode::exception_debug:
        return cpu::ReflectedExceptionExit{cpu::Exception::debug, std::nullopt};
    case ExitCode::exception_alignment_check:
        return cpu::ReflectedExceptionExit{cpu::Exception::alignment_check, 0};
    case ExitCode::invd:
        return cpu::CacheFlushExit{};
    case ExitCode::pause:
        return cpu::PauseExit{};
    case ExitCode::rdpmc:
        return cpu::ReflectedExceptionExit{cpu::Exception::general_protection, 0};
    case ExitCode::vmrun:
    case ExitCode::vmload:
    case ExitCode::vmsave:
    case ExitCode::stgi:
    case ExitCode::clgi:
    case ExitCode::skinit:
    case ExitCode::invlpga:
    case ExitCode::monitor:
    case ExitCode::mwait:
    case ExitCode::mwait_conditional:
    case ExitCode::rdpru:
    case ExitCode::rsm:
        return cpu::ReflectedExceptionExit{cpu::Exception::undefined_opcode, std::nullopt};
    case ExitCode::nmi:  // taken by the host's handler when GIF was set again
    case ExitCode::init: // likewise: held by the processor until then
    case ExitCode::iret: // intercepted to look for another interrupt only
        return cpu::ResumeExit{};
    case ExitCode::shutdown:
        return cpu::ShutdownExit{};
    default:
        return cpu::FailedExit{static_cast<u64>(control.exitcode)};
    }
}

u64 event_to_redeliver(u64 exitintinfo) {
    if (!Event::Valid::get(exitintinfo))
        return 0;
    const u8 vector = Event::Vector::get(exitintinfo);
    switch (Event::TypeField::get(exitintinfo)) {
    case Event::Type::software_interrupt:
        return 0;
    case Event::Type::exception:
        if (vector == static_cast<u8>(cpu::Exception::breakpoint) ||
            vector == static_cast<u8>(cpu::Exception::overflow))
            return 0;
        if (vector > 31)
            return Event::Vector::of(vector) |
                   Event::TypeField::of(Event::Type::external_interrupt) | Event::Valid::of(true);
        return exitintinfo;
    case Event::Type::external_interrupt:
    case Event::Type::nmi:
        return exitintinfo;
    }
    return 0;
}

} // namespace ravelin::hv::svm

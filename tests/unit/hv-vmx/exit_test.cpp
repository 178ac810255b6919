// SPDX-License-Identifier: Apache-2.0
// What an exit's fields mean, from fields that the test gives.
#include <hv/vmx/exit.hpp>

#include <gtest/gtest.h>
#include <map>

namespace ravelin::hv::vmx {
namespace {

struct FakeVmcs {
    std::map<u32, u64> values;
    template <typename F> [[nodiscard]] typename F::value_type read() const {
        const auto found = values.find(F::encoding);
        return found == values.end() ? typename F::value_type{}
                                     : static_cast<typename F::value_type>(found->second);
    }
    template <typename F> FakeVmcs& with(u64 value) {
        values[F::encoding] = value;
        return *this;
    }
};

cpu::Exit decode(Reason reason, const FakeVmcs& vmcs = {}) {
    return decode_exit(vmcs, static_cast<u32>(reason));
}

TEST(DecodeExit, InstructionsThatGuestsHaveNotAreUndefined) {
    for (const Reason reason : {Reason::getsec,
                                Reason::rsm,
                                Reason::vmclear,
                                Reason::vmlaunch,
                                Reason::vmptrld,
                                Reason::vmptrst,
                                Reason::vmread,
                                Reason::vmresume,
                                Reason::vmwrite,
                                Reason::vmxoff,
                                Reason::vmxon,
                                Reason::invept,
                                Reason::invvpid,
                                Reason::vmfunc,
                                Reason::mwait,
                                Reason::monitor,
                                Reason::encls}) {
        const cpu::Exit exit = decode(reason);
        const auto* reflected = std::get_if<cpu::ReflectedExceptionExit>(&exit);
        ASSERT_NE(reflected, nullptr) << static_cast<u32>(reason);
        EXPECT_EQ(reflected->exception, cpu::Exception::undefined_opcode);
        EXPECT_FALSE(reflected->error_code);
    }
}

TEST(DecodeExit, WhatNobodyAskedForFails) {
    for (u32 reason = 0; reason < 128; ++reason) {
        const cpu::Exit exit = decode(static_cast<Reason>(reason));
        switch (reason) {
        case 8:  // NMI window
        case 9:  // task switch
        case 14: // INVLPG
        case 16: // RDTSC
        case 29: // MOV DR
        case 49: // EPT misconfiguration
        case 54: // WBINVD
        case 61: // RDSEED
        case 127: {
            const auto* failed = std::get_if<cpu::FailedExit>(&exit);
            ASSERT_NE(failed, nullptr) << reason;
            EXPECT_EQ(failed->raw, reason);
            break;
        }
        default:
            break;
        }
    }
}

TEST(DecodeExit, PortsWithSizeDirectionAndForm) {
    FakeVmcs vmcs;
    // REP INSW, 32-bit addresses, port 1f0h.
    vmcs.with<field::exit_qualification>(0x01f0'0039)
        .with<field::exit_instruction_information>(1u << 7)
        .with<field::guest_rip>(0x1000)
        .with<field::exit_instruction_length>(3);
    const cpu::Exit exit = decode(Reason::io, vmcs);
    const auto* io = std::get_if<cpu::IoExit>(&exit);
    ASSERT_NE(io, nullptr);
    EXPECT_EQ(io->port, 0x1f0);
    EXPECT_EQ(io->size, 2);
    EXPECT_EQ(io->direction, cpu::IoDirection::in);
    EXPECT_EQ(io->form, cpu::IoForm::repeated_string);
    EXPECT_EQ(io->address_size, 4);
    EXPECT_EQ(io->next_rip, 0x1003u);
    vmcs.with<field::exit_qualification>(2); // three bytes
    EXPECT_TRUE(std::holds_alternative<cpu::FailedExit>(decode(Reason::io, vmcs)));
}

TEST(DecodeExit, EptViolations) {
    const auto fault = [](u64 qualification) {
        FakeVmcs vmcs;
        vmcs.with<field::exit_qualification>(qualification)
            .with<field::guest_physical_address>(0x5000);
        const cpu::Exit exit = decode(Reason::ept_violation, vmcs);
        const auto* out = std::get_if<cpu::Stage2FaultExit>(&exit);
        EXPECT_NE(out, nullptr);
        return *out;
    };
    using During = cpu::Stage2FaultExit::During;
    EXPECT_EQ(fault(0x181).wanted, Access::read);
    EXPECT_EQ(fault(0x182).wanted, Access::write);
    EXPECT_EQ(fault(0x183).wanted, Access::write) << "a read-modify-write";
    EXPECT_EQ(fault(0x184).wanted, Access::execute);
    EXPECT_EQ(fault(0x181).during, During::access);
    EXPECT_EQ(fault(0x081).during, During::page_walk);
    EXPECT_EQ(fault(0x001).during, During::access) << "no linear address";
    EXPECT_EQ(fault(0x181).address.raw(), 0x5000u);
}

TEST(DecodeExit, ExceptionsByVector) {
    const auto exception = [](u32 information) {
        FakeVmcs vmcs;
        vmcs.with<field::exit_interruption_information>(information);
        return decode(Reason::exception_or_nmi, vmcs);
    };
    EXPECT_TRUE(std::holds_alternative<cpu::UndefinedOpcodeExit>(exception(0x8000'0306)));
    const cpu::Exit debug = exception(0x8000'0301);
    ASSERT_TRUE(std::holds_alternative<cpu::ReflectedExceptionExit>(debug));
    EXPECT_EQ(std::get<cpu::ReflectedExceptionExit>(debug).exception, cpu::Exception::debug);
    const cpu::Exit alignment = exception(0x8000'0b11);
    ASSERT_TRUE(std::holds_alternative<cpu::ReflectedExceptionExit>(alignment));
    EXPECT_EQ(std::get<cpu::ReflectedExceptionExit>(alignment).error_code, 0u);
    EXPECT_TRUE(std::holds_alternative<cpu::FailedExit>(exception(0x8000'0312)))
        << "a machine check is the host's";
}

TEST(EventToRedeliver, KeepsWhatTheEntryNeeds) {
    EXPECT_EQ(event_to_redeliver(0x0000'0b0e).event, 0u) << "not valid";
    const Redelivery fault = event_to_redeliver(0x8000'1b0e); // #PF, bit 12 undefined
    EXPECT_EQ(fault.event, 0x8000'0b0eu);
    EXPECT_TRUE(fault.with_error_code);
    EXPECT_FALSE(fault.with_length);
    const Redelivery software = event_to_redeliver(0x8000'0480);
    EXPECT_TRUE(software.with_length);
    EXPECT_FALSE(software.ends_nmi_blocking);
    EXPECT_TRUE(event_to_redeliver(0x8000'0202).ends_nmi_blocking);
}

} // namespace
} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// What a VMCB says, and the permission maps a guest runs under.
#include "permissions.hpp"

#include <hv/svm/exit.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::svm {
namespace {

ControlArea exited(ExitCode code, u64 info1 = 0, u64 info2 = 0) {
    ControlArea control{};
    control.exitcode = code;
    control.exitinfo1 = info1;
    control.exitinfo2 = info2;
    return control;
}

TEST(DecodeExit, PortInstructions) {
    // OUT 0x80, AL as the manual lays EXITINFO1 out: 64-bit address, 8-bit operand.
    const auto out = std::get<cpu::IoExit>(decode_exit(exited(ExitCode::ioio, 0x0080'0210, 0x77)));
    EXPECT_EQ(out.port, 0x80);
    EXPECT_EQ(out.size, 1);
    EXPECT_EQ(out.direction, cpu::IoDirection::out);
    EXPECT_EQ(out.form, cpu::IoForm::single);
    EXPECT_EQ(out.next_rip, 0x77u);
    const auto in = std::get<cpu::IoExit>(decode_exit(exited(ExitCode::ioio, 0x0cfc'014d)));
    EXPECT_EQ(in.port, 0xcfc);
    EXPECT_EQ(in.size, 4);
    EXPECT_EQ(in.direction, cpu::IoDirection::in);
    EXPECT_EQ(in.form, cpu::IoForm::repeated_string);
    EXPECT_EQ(in.address_size, 4);
    EXPECT_TRUE(
        std::holds_alternative<cpu::FailedExit>(decode_exit(exited(ExitCode::ioio, 0x0080'0000))));
}

TEST(DecodeExit, NestedFaults) {
    const auto read = std::get<cpu::Stage2FaultExit>(
        decode_exit(exited(ExitCode::npf, u64{1} << 32 | 4, 0xfee0'0020)));
    EXPECT_EQ(read.address.raw(), 0xfee0'0020u);
    EXPECT_EQ(read.wanted, Access::read);
    EXPECT_EQ(read.during, cpu::Stage2FaultExit::During::access);
    const auto walk = std::get<cpu::Stage2FaultExit>(
        decode_exit(exited(ExitCode::npf, u64{1} << 33 | 6, 0x1000)));
    EXPECT_EQ(walk.wanted, Access::write);
    EXPECT_EQ(walk.during, cpu::Stage2FaultExit::During::page_walk);
    const auto fetch =
        std::get<cpu::Stage2FaultExit>(decode_exit(exited(ExitCode::npf, 0x14, 0x1000)));
    EXPECT_EQ(fetch.wanted, Access::execute);
}

TEST(DecodeExit, UnknownCodesStopTheGuest) {
    EXPECT_EQ(std::get<cpu::FailedExit>(decode_exit(exited(ExitCode::invalid))).raw, ~u64{0});
    EXPECT_TRUE(
        std::holds_alternative<cpu::FailedExit>(decode_exit(exited(static_cast<ExitCode>(0x403)))));
}

TEST(Redelivery, FixesTheTypeAndLeavesSoftwareEventsOut) {
    constexpr u64 valid = Event::Valid::of(true);
    const auto event = [](u8 vector, Event::Type type) {
        return Event::Vector::of(vector) | Event::TypeField::of(type) | valid;
    };
    EXPECT_EQ(event_to_redeliver(0), 0u);
    const u64 interrupt = event(0xf3, Event::Type::external_interrupt);
    EXPECT_EQ(event_to_redeliver(interrupt), interrupt);
    EXPECT_EQ(event_to_redeliver(event(0xf3, Event::Type::exception)), interrupt);
    const u64 page_fault = event(14, Event::Type::exception) | Event::ErrorCodeValid::of(true) |
                           Event::ErrorCode::of(6);
    EXPECT_EQ(event_to_redeliver(page_fault), page_fault);
    EXPECT_EQ(event_to_redeliver(event(0x80, Event::Type::software_interrupt)), 0u);
    EXPECT_EQ(event_to_redeliver(event(3, Event::Type::exception)), 0u);
}

TEST(Permissions, OnlyTheListedMsrsAreFree) {
    constexpr MsrPermissionMap map = make_msr_permission_map();
    usize open_bits = 0;
    for (const u8 byte : map)
        for (int bit = 0; bit < 8; ++bit)
            if ((byte >> bit & 1) == 0)
                ++open_bits;
    EXPECT_EQ(open_bits, 2 * free_msrs.size() - 1) << "all but the TSC may be read and written";
    const auto intercepted = [&](u32 msr, unsigned write) {
        const usize bit = *msr_bit(msr) + write;
        return (map[bit / 8] >> bit % 8 & 1) != 0;
    };
    EXPECT_TRUE(intercepted(0xc000'0080, 0)) << "EFER must never be the guest's to write";
    EXPECT_TRUE(intercepted(0xc000'0080, 1));
    EXPECT_TRUE(intercepted(0xc001'0117, 1)) << "VM_HSAVE_PA";
    EXPECT_FALSE(intercepted(msr_tsc, 0));
    EXPECT_TRUE(intercepted(msr_tsc, 1));
    EXPECT_FALSE(msr_bit(0x2000));
    for (const u8 byte : make_io_permission_map())
        ASSERT_EQ(byte, 0xff);
}

} // namespace
} // namespace ravelin::hv::svm

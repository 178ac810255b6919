// SPDX-License-Identifier: Apache-2.0
// The chipset's rules for its TXT registers.
#include <tools/txt/registers.hpp>

#include <cstring>
#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

class RegistersTest : public testing::Test {
  protected:
    /// As software does, through the private space.
    void write(TxtRegister which, u32 value) {
        std::memcpy(private_.data() + static_cast<u32>(which), &value, sizeof(value));
    }
    [[nodiscard]] u64 shown(const std::vector<u8>& window, TxtRegister which) const {
        u64 value = 0;
        std::memcpy(&value, window.data() + static_cast<u32>(which), sizeof(value));
        return value;
    }
    [[nodiscard]] u64 status() const { return registers_.get(TxtRegister::status); }

    std::vector<u8> private_ = std::vector<u8>(space_size);
    std::vector<u8> public_ = std::vector<u8>(space_size);
    RegisterFile registers_{private_, public_};
};

TEST_F(RegistersTest, PrivateSpaceIsClosedBeforeSenter) {
    write(TxtRegister::open_locality2, 1);
    write(TxtRegister::error_code, 5);
    const Settled settled = registers_.settle();
    EXPECT_TRUE(settled.refused);
    EXPECT_TRUE(settled.written.empty());
    EXPECT_EQ(status(), 0U);
    EXPECT_EQ(registers_.get(TxtRegister::error_code), 0U);
    EXPECT_EQ(shown(private_, TxtRegister::error_code), 0U);
}

TEST_F(RegistersTest, SenterOpensLocality2AndPrivateSpace) {
    registers_.enter();
    EXPECT_EQ(status(), 0x100c1U);
    EXPECT_EQ(shown(public_, TxtRegister::status), 0x100c1U);
}

TEST_F(RegistersTest, CommandsDoOneThingEach) {
    registers_.enter();
    const auto command = [&](TxtRegister which) {
        write(which, 1);
        const Settled settled = registers_.settle();
        EXPECT_EQ(settled.written, std::vector{which});
        EXPECT_FALSE(settled.refused);
        EXPECT_EQ(shown(private_, which), 0U);
        return status();
    };
    EXPECT_EQ(command(TxtRegister::open_locality1), 0x180c1U);
    EXPECT_EQ(command(TxtRegister::close_locality1), 0x100c1U);
    EXPECT_EQ(command(TxtRegister::close_locality2), 0x000c1U);
    EXPECT_EQ(command(TxtRegister::open_locality2), 0x100c1U);
    EXPECT_EQ(command(TxtRegister::unlock_memory), 0x10081U);
    command(TxtRegister::secrets);
    EXPECT_EQ(registers_.get(TxtRegister::extended_status), 2U);
    command(TxtRegister::no_secrets);
    EXPECT_EQ(registers_.get(TxtRegister::extended_status), 0U);
    EXPECT_EQ(command(TxtRegister::close_private), 0x00001U);
}

TEST_F(RegistersTest, ClosedPrivateSpaceStaysClosed) {
    registers_.enter();
    write(TxtRegister::close_private, 1);
    (void)registers_.settle();
    write(TxtRegister::open_locality2, 1);
    EXPECT_TRUE(registers_.settle().refused);
    EXPECT_EQ(status() & status_bit::locality2_open, 0U);
}

TEST_F(RegistersTest, WhatClosesWinsWhenBothAreFound) {
    registers_.enter();
    write(TxtRegister::open_locality1, 1);
    write(TxtRegister::close_locality1, 1);
    write(TxtRegister::secrets, 1);
    write(TxtRegister::no_secrets, 1);
    (void)registers_.settle();
    EXPECT_EQ(status() & status_bit::locality1_open, 0U);
    EXPECT_EQ(registers_.get(TxtRegister::extended_status), secrets_in_memory);
}

TEST_F(RegistersTest, StatusAndIdentityAreReadOnly) {
    registers_.set(TxtRegister::device_id, 0x8086);
    registers_.enter();
    write(TxtRegister::status, 0xffff'ffff);
    write(TxtRegister::device_id, 1);
    write(TxtRegister::extended_status, 2);
    write(TxtRegister::public_key, 1);
    EXPECT_TRUE(registers_.settle().refused);
    EXPECT_EQ(status(), 0x100c1U);
    EXPECT_EQ(registers_.get(TxtRegister::extended_status), 0U);
    EXPECT_EQ(shown(private_, TxtRegister::device_id), 0x8086U);
    EXPECT_EQ(shown(private_, TxtRegister::public_key), 0U);
}

TEST_F(RegistersTest, OnesClearErrorStatus) {
    registers_.record_error(0x8000'0007);
    EXPECT_EQ(shown(public_, TxtRegister::error_code), 0x8000'0007U);
    EXPECT_EQ(shown(public_, TxtRegister::error_status), txt_reset_happened);
    registers_.enter();
    EXPECT_EQ(registers_.get(TxtRegister::error_status), 0U);
    write(TxtRegister::error_status, 0xffff'ffff);
    (void)registers_.settle();
    EXPECT_EQ(registers_.get(TxtRegister::error_status), 0U);
    EXPECT_EQ(shown(private_, TxtRegister::error_status), 0U);
}

TEST_F(RegistersTest, ErrorsAndSecretsSurviveAReset) {
    registers_.enter();
    write(TxtRegister::secrets, 1);
    (void)registers_.settle();
    registers_.record_error(0xc000'0031);
    EXPECT_TRUE(registers_.reset().secrets);
    EXPECT_EQ(status(), 0U);
    EXPECT_EQ(registers_.get(TxtRegister::error_code), 0xc000'0031U);
    EXPECT_EQ(registers_.get(TxtRegister::error_status), txt_reset_happened);
    registers_.secrets_gone();
    EXPECT_FALSE(registers_.reset().secrets);
}

TEST_F(RegistersTest, SexitClosesEverything) {
    registers_.enter();
    registers_.leave();
    EXPECT_EQ(status() & ~status_bit::memory_locked, status_bit::sexit_done);
}

TEST_F(RegistersTest, ResetIsAskedFor) {
    registers_.enter();
    write(TxtRegister::reset, 1);
    EXPECT_TRUE(registers_.settle().reset_asked);
    EXPECT_FALSE(registers_.settle().reset_asked);
}

} // namespace
} // namespace ravelin::tools::txt

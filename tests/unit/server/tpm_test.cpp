// SPDX-License-Identifier: Apache-2.0
// The proxy's gate, tried on a real swtpm: what a chipset refuses never reaches it.
#include <base/cursor.hpp>
#include <tools/server/error.hpp>
#include <tools/server/process.hpp>
#include <tools/server/tpm.hpp>
#include <tools/server/tpm_commands.hpp>

#include <cstring>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace ravelin::tools {
namespace {

using Bytes = std::vector<u8>;

const Bytes startup_clear{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0};

/// TPM2_PCR_Extend of 32 zero bytes in the SHA-256 bank, empty password.
Bytes extend(u8 pcr) {
    Bytes command{0x80, 0x02, 0, 0, 0, 65, 0, 0, 0x01, 0x82, 0, 0, 0, pcr, 0, 0,   0,
                  9,    0x40, 0, 0, 9, 0,  0, 0, 0,    0,    0, 0, 0, 1,   0, 0x0b};
    command.resize(65);
    return command;
}

u32 response_code(const Bytes& response) {
    return BigReader{std::span{response}.subspan(6)}.integer<u32>().value();
}

class TpmTest : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        files_ = std::make_unique<PrivateDirectory>();
        manufacturer_ = std::make_unique<TpmManufacturer>(files_->path() / "ca");
        manufacturer_->manufacture(files_->path() / "tpm", "sha256,sha384");
    }
    static void TearDownTestSuite() {
        manufacturer_.reset();
        files_.reset();
    }
    void SetUp() override {
        tpm_.power_on();
        ASSERT_EQ(response_code(tpm_.transmit(TpmLocality{0}, startup_clear)), 0U);
    }
    u32 extend_in(u8 locality, u8 pcr) {
        return response_code(tpm_.transmit(TpmLocality{locality}, extend(pcr)));
    }

    inline static std::unique_ptr<PrivateDirectory> files_;
    inline static std::unique_ptr<TpmManufacturer> manufacturer_;
    SoftwareTpm tpm_{files_->path() / "tpm", files_->path() / "swtpm.log"};
};

TEST_F(TpmTest, ManufacturerLeavesItsCertificates) {
    EXPECT_TRUE(std::filesystem::exists(manufacturer_->root_certificate()));
    EXPECT_TRUE(std::filesystem::exists(manufacturer_->issuer_certificate()));
    EXPECT_THROW(manufacturer_->manufacture(files_->path() / "tpm"), ServerError);
}

TEST_F(TpmTest, LocalityZeroIsAlwaysOpen) {
    EXPECT_EQ(extend_in(0, 12), 0U);
    EXPECT_EQ(tpm_.refused(), 0U);
}

TEST_F(TpmTest, LocalityTwoIsClosedUntilTheMeasuredEnvironmentOpens) {
    EXPECT_EQ(extend_in(1, 20), tpm_rc_locality);
    EXPECT_EQ(extend_in(2, 17), tpm_rc_locality);
    EXPECT_EQ(extend_in(2, 12), tpm_rc_locality);
    EXPECT_EQ(tpm_.refused(), 3U);
    tpm_.set_environment(MeasuredEnvironment::open);
    EXPECT_EQ(extend_in(2, 17), 0U);
    EXPECT_EQ(extend_in(2, 12), 0U);
}

TEST_F(TpmTest, LocalitiesThreeAndFourAreNeverSoftwares) {
    tpm_.set_environment(MeasuredEnvironment::open);
    EXPECT_EQ(extend_in(3, 17), tpm_rc_locality);
    EXPECT_EQ(extend_in(4, 17), tpm_rc_locality);
}

TEST_F(TpmTest, PcrsAreReadInActiveBanksOnly) {
    EXPECT_EQ(read_pcr(tpm_, 12), Bytes(32));
    EXPECT_EQ(extend_in(0, 12), 0U);
    EXPECT_NE(read_pcr(tpm_, 12), Bytes(32));
    EXPECT_EQ(read_pcr(tpm_, 13), Bytes(32));
    EXPECT_EQ(read_pcr(tpm_, 12, tpm_alg_sha384), Bytes(48));
    EXPECT_THROW(static_cast<void>(read_pcr(tpm_, 12, 0x0004)), ServerError) << "SHA-1 is off";
}

/// QEMU's side of the control and the data channel.
class EmulatorEnd {
  public:
    explicit EmulatorEnd(SoftwareTpm& tpm) : control_{tpm.plug_in()} {
        const Bytes set_data_descriptor{0, 0, 0, 16};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary{};
        SocketPair pair = make_socket_pair();
        const int passed = pair.theirs.get();
        Bytes copy = set_data_descriptor;
        iovec part{copy.data(), copy.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = ancillary.data();
        message.msg_controllen = ancillary.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &passed, sizeof(int));
        EXPECT_EQ(::sendmsg(control_.get(), &message, 0), 4);
        EXPECT_EQ(reply(), 0U);
        data_ = std::move(pair.ours);
    }
    u32 control(const Bytes& request) {
        write_all(control_, request);
        return reply();
    }
    u32 command(const Bytes& request) {
        write_all(data_, request);
        Bytes header(10);
        EXPECT_TRUE(read_exactly(data_, header));
        Bytes rest(BigReader{std::span{header}.subspan(2)}.integer<u32>().value() - 10);
        EXPECT_TRUE(read_exactly(data_, rest));
        return response_code(header);
    }

  private:
    u32 reply() {
        Bytes bytes(4);
        EXPECT_TRUE(read_exactly(control_, bytes));
        return BigReader{bytes}.integer<u32>().value();
    }
    FileDescriptor control_;
    FileDescriptor data_;
};

TEST_F(TpmTest, EmulatorsLocalityIsGated) {
    EmulatorEnd qemu{tpm_};
    EXPECT_EQ(qemu.control({0, 0, 0, 5, 2}), 0U);
    EXPECT_EQ(qemu.command(extend(17)), tpm_rc_locality);
    EXPECT_EQ(qemu.control({0, 0, 0, 5, 0}), 0U);
    EXPECT_EQ(qemu.command(extend(12)), 0U);
}

TEST_F(TpmTest, EmulatorCannotPlayTheChipset) {
    EmulatorEnd qemu{tpm_};
    EXPECT_NE(qemu.control({0, 0, 0, 6}), 0U) << "HASH_START is locality 4";
    EXPECT_NE(qemu.control({0, 0, 0, 8}), 0U) << "HASH_END is locality 4";
}

TEST_F(TpmTest, PowerOffOfOneMachineKeepsTheTpm) {
    {
        EmulatorEnd qemu{tpm_};
        EXPECT_EQ(qemu.command(extend(12)), 0U);
        EXPECT_EQ(qemu.control({0, 0, 0, 3}), 0U);
    }
    EXPECT_EQ(extend_in(0, 12), 0U);
    EmulatorEnd next{tpm_};
    EXPECT_EQ(next.command(extend(12)), 0U);
}

} // namespace
} // namespace ravelin::tools

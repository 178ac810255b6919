// SPDX-License-Identifier: Apache-2.0
// The emulated server itself, with the distribution's kernel in Ravelin's place: it has what
// Ravelin needs, it says why when it ends early, its memory can be looked at, and its TPM keeps the
// measurements of the boot.
#include <tools/image/initramfs.hpp>

#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <system/fixture.hpp>
#include <thread>

namespace ravelin::system_test {
namespace {

using testing::HasSubstr;

using ServerTest = SystemTest;

TEST_F(ServerTest, HasSvmVtdAndATpm) {
    MachineConfig config;
    config.boot = DirectKernel{stock_kernel_image(), "console=ttyS0 intel_iommu=on", {}};
    Machine machine{config, &tpm()};
    Console& console = machine.console();
    console.wait_for("DMAR-IR: Enabled IRQ remapping", 60s);
    console.wait_for("2.0 TPM \\(device-id", 60s);
    console.wait_for("Unable to mount root fs", 60s);
    EXPECT_THAT(machine.monitor("info version"), HasSubstr("."));
    const std::vector<u8> memory = machine.read_physical(0x10'0000, 16);
    EXPECT_EQ(memory.size(), 16U);
}

/// Answers one connection of the guest.
class Listener {
  public:
    Listener() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        // SAFETY: the sockets interface takes every address family through this cast.
        auto* const generic = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(socket_.get(), generic, size), 0);
        EXPECT_EQ(::listen(socket_.get(), 1), 0);
        EXPECT_EQ(::getsockname(socket_.get(), generic, &size), 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread{[this] { answer(); }};
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() {
        socket_.shut_down();
        thread_.join();
    }
    [[nodiscard]] unsigned port() const { return port_; }

  private:
    void answer() const {
        const FileDescriptor connection{::accept(socket_.get(), nullptr, nullptr)};
        std::vector<u8> question(6);
        if (connection && read_exactly(connection, question))
            write_all(connection, question);
    }
    FileDescriptor socket_;
    unsigned port_{0};
    std::thread thread_;
};

// Domain 0's initramfs where nothing of ours can be in the way: the distribution's kernel on the
// bare machine.
TEST_F(ServerTest, InitramfsReachesAForwardAndRunsItsTest) {
    std::ofstream{directory() / "probe"} << "#!/bin/sh\nprintf 'hello\\n' | nc 10.0.2.100 8443\n";
    std::filesystem::permissions(directory() / "probe", std::filesystem::perms::owner_all);
    InitramfsConfig initramfs;
    initramfs.modules = stock_kernel_modules();
    initramfs.files = {{directory() / "probe", "/tests/probe"}};
    const std::vector<u8> archive = build_initramfs(initramfs);
    std::ofstream{directory() / "initrd"} << std::string{archive.begin(), archive.end()};

    const Listener listener;
    MachineConfig config;
    config.boot = DirectKernel{
        stock_kernel_image(), "console=ttyS0 quiet ravelin.mode=test ravelin.test=probe", {}};
    config.nic = Nic::virtio;
    config.forwards = {{"10.0.2.100", 8443, listener.port()}};
    config.extra_arguments = {"-initrd", (directory() / "initrd").string()};
    Machine machine{config};
    machine.console().wait_for("ravelin-init: network eth0 10.0.2.15", 60s);
    machine.console().wait_for("^hello", 30s);
    machine.console().wait_for("ravelin-init: test probe ended 0", 30s);
    machine.wait_for_power_off(30s);
}

TEST_F(ServerTest, EmulatorsRefusalIsShown) {
    MachineConfig config;
    config.boot = DirectKernel{directory() / "missing", "", {}};
    Machine machine{config};
    try {
        machine.console().wait_for("anything", 20s);
        FAIL() << "QEMU started without a kernel";
    } catch (const ServerError& error) {
        EXPECT_THAT(error.what(), HasSubstr("the machine ended before"));
        EXPECT_THAT(error.what(), HasSubstr("could not open kernel file"));
    }
}

TEST_F(ServerTest, MachineThatHangsIsNamedWithItsLastLines) {
    MachineConfig config;
    config.boot = DirectKernel{stock_kernel_image(), "console=ttyS0", {}};
    Machine machine{config};
    machine.console().wait_for("Linux version", 60s);
    EXPECT_THROW(machine.wait_for_power_off(100ms), ServerError);
    EXPECT_TRUE(machine.running());
}

} // namespace
} // namespace ravelin::system_test

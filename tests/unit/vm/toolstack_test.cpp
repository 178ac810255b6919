// SPDX-License-Identifier: Apache-2.0
#include "fakes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::vm {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ToolstackTest : public testing::Test {
  protected:
    ToolstackTest() {
        config_.name = "web";
        config_.memory_mib = 64;
        config_.max_memory_mib = 64;
        config_.label = "guest";
        config_.command_line = "quiet";
        config_.disks = {{"/srv/a", "xvda", 51712, Access::read_write}};
        config_.nics = {{"00:16:3e:00:00:01"}};
        images_.kernel.resize(2500);
        for (usize i = 0; i < images_.kernel.size(); ++i)
            images_.kernel[i] = static_cast<u8>(i);
        images_.ramdisk = {1, 2, 3};
    }
    /// What VmError says.
    template <typename Do> static std::string refusal(Do what) {
        try {
            what();
        } catch (const VmError& error) {
            return error.what();
        }
        return "done";
    }
    std::string refused_creation() {
        return refusal([&] { static_cast<void>(stack_.create(config_, images_, Start::running)); });
    }
    /// Nothing of the domain is left anywhere.
    void expect_nothing_left() {
        EXPECT_THAT(channel_.domains, IsEmpty());
        EXPECT_THAT(devices_.attached, IsEmpty());
        EXPECT_THAT(store_.list("/local/domain/1"), IsEmpty());
        EXPECT_THAT(store_.list("/local/domain/0/backend/vbd"), IsEmpty());
        EXPECT_THAT(store_.list("/local/domain/0/backend/vif"), IsEmpty());
    }

    Journal journal_;
    FakeChannel channel_{journal_};
    FakeStore store_{journal_};
    FakeDevices devices_{journal_};
    Hypervisor hypervisor_{channel_};
    Config config_;
    Images images_;
    std::chrono::milliseconds slept_{0};
    Toolstack stack_{
        hypervisor_, store_, devices_, Patience{.sleep = [this](auto time) { slept_ += time; }}};
};

TEST_F(ToolstackTest, CreatesInOrder) {
    EXPECT_EQ(stack_.create(config_, images_, Start::running), DomainId{1});
    EXPECT_THAT(journal_,
                ElementsAre("create",
                            "seal",
                            "introduce 1044476 1",
                            "attach /srv/a",
                            "join vif1.0 rv-guest",
                            "unpause"));
    EXPECT_EQ(channel_.domains.at(1).kernel, images_.kernel) << "pieces in order";
    EXPECT_EQ(channel_.domains.at(1).ramdisk, images_.ramdisk);
    EXPECT_EQ(store_.read("/local/domain/0/backend/vif/1/0/hotplug-status"), "connected");
}

TEST_F(ToolstackTest, PausedMeansNotUnpaused) {
    static_cast<void>(stack_.create(config_, images_, Start::paused));
    EXPECT_EQ(channel_.domains.at(1).state, control::VmState::sealed);
}

TEST_F(ToolstackTest, ANameIsTakenOnce) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    EXPECT_EQ(refused_creation(), "there is a VM web already: domain 1, running");
}

TEST_F(ToolstackTest, EachFailureUndoesAll) {
    for (const Operation operation :
         {Operation::vm_create, Operation::vm_load, Operation::vm_seal, Operation::vm_unpause}) {
        channel_.failure = {operation, control::enomem};
        EXPECT_THAT(refused_creation(), HasSubstr("not enough free memory"));
        channel_.failure.reset();
        expect_nothing_left();
    }
}

TEST_F(ToolstackTest, BackEndThatDoesNotComeIsNamedAndAllUndone) {
    store_.backends["vif"] = BusState::initialising;
    const std::string words = refused_creation();
    EXPECT_THAT(words, HasSubstr("the back end vif 0 is initialising after 10 s"));
    EXPECT_THAT(words, HasSubstr("xen-netback"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, WordsOfTheBackEndArePassedOn) {
    store_.backends["vbd"] = BusState::closing;
    store_.nodes["/local/domain/0/error/backend/vbd/1/51712/error"] = "22 no such disk";
    EXPECT_THAT(refused_creation(), HasSubstr("it said: 22 no such disk"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, InterfaceThatDoesNotComeIsNamed) {
    devices_.interfaces_appear = false;
    EXPECT_THAT(refused_creation(), HasSubstr("netback made no interface vif1.0"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, DestroyTakesDevicesBeforeTheDomain) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    journal_.clear();
    stack_.destroy(DomainId{1});
    EXPECT_THAT(journal_, ElementsAre("pause", "detach 7:0", "release", "die", "destroy"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, ForceEndsTheDomainBeforeItsDevices) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    journal_.clear();
    channel_.unfinished = 1;
    stack_.destroy(DomainId{1}, Force::yes);
    EXPECT_THAT(journal_, ElementsAre("die", "detach 7:0", "release", "destroy"));
    expect_nothing_left();
}

TEST_F(ToolstackTest, AnInterfaceThatCameBackJoinsItsBridgeAgain) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    EXPECT_EQ(stack_.rejoin(DomainId{1}), 0u);
    devices_.joined.clear();
    devices_.interfaces_appear = false;
    EXPECT_EQ(stack_.rejoin(DomainId{1}), 0u);
    devices_.interfaces_appear = true;
    journal_.clear();
    EXPECT_EQ(stack_.rejoin(DomainId{1}), 1u);
    EXPECT_THAT(journal_, ElementsAre("join vif1.0 rv-guest"));
}

TEST_F(ToolstackTest, WhatIsWrongWithADeviceIsSaidInWords) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    store_.nodes["/local/domain/0/backend/vif/1/0/state"] = "4";
    std::vector<Device> devices = stack_.devices(DomainId{1});
    ASSERT_EQ(devices.size(), 2u);
    EXPECT_EQ(devices[0].name, "xvda");
    EXPECT_EQ(devices[0].target, "/srv/a");
    EXPECT_EQ(devices[0].trouble, "");
    EXPECT_EQ(devices[1].name, "vif1.0");
    EXPECT_EQ(devices[1].back, BusState::connected);
    devices_.full = {"/srv/a"};
    devices_.unserved = {"vif"};
    store_.nodes["/local/domain/0/backend/vbd/1/51712/state"] = "6";
    store_.nodes["/local/domain/0/error/backend/vbd/1/51712/error"] = "5 no";
    devices = stack_.devices(DomainId{1});
    EXPECT_EQ(devices[0].trouble,
              "its back end closed it; the file system of /srv/a is full; its back end said: 5 no");
    EXPECT_EQ(devices[1].trouble, "no back end serves it (is the module xen-netback loaded?)");
}

TEST_F(ToolstackTest, BackEndThatHoldsOnIsNamedAndItsLoopDeviceKept) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    devices_.backends_hold = true;
    channel_.unfinished = 1;
    EXPECT_THAT(refusal([&] { stack_.destroy(DomainId{1}); }),
                HasSubstr("do not let go of its memory: vbd 51712, vif 0"));
    EXPECT_THAT(devices_.attached, testing::Not(IsEmpty()));
    EXPECT_EQ(channel_.domains.at(1).state, control::VmState::dying);
    devices_.backends_hold = false;
    stack_.destroy(DomainId{1});
    EXPECT_THAT(channel_.domains, IsEmpty());
}

TEST_F(ToolstackTest, ShutdownAsksAndWaits) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    store_.on_write = [&](const std::string& path, const std::string& value) {
        if (path == "/local/domain/1/control/shutdown") {
            EXPECT_EQ(value, "poweroff");
            channel_.domains.at(1).state = control::VmState::stopped;
        }
    };
    stack_.shut_down(DomainId{1}, ShutDown::power_off, std::chrono::seconds{5});
    EXPECT_EQ(slept_.count(), 0);
}

TEST_F(ToolstackTest, ShutdownSaysWhetherTheGuestHeard) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    EXPECT_THAT(
        refusal([&] { stack_.shut_down(DomainId{1}, ShutDown::reboot, std::chrono::seconds{5}); }),
        HasSubstr("still running after 5 s; it never looked at the request"));
    EXPECT_GE(slept_, std::chrono::seconds{5});
}

TEST_F(ToolstackTest, MemoryGoesToTheHypervisorAndTheBalloon) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    stack_.set_memory(DomainId{1}, 32);
    EXPECT_EQ(channel_.domains.at(1).target_mib, 32u);
    EXPECT_EQ(store_.read("/local/domain/1/memory/target"), "32768");
}

TEST_F(ToolstackTest, FindsByNameAndNumber) {
    static_cast<void>(stack_.create(config_, images_, Start::running));
    config_.name = "db";
    static_cast<void>(stack_.create(config_, images_, Start::running));
    EXPECT_EQ(stack_.find("db").domain, DomainId{2});
    EXPECT_EQ(stack_.find("1").name, "web");
    EXPECT_EQ(refusal([&] { static_cast<void>(stack_.find("mail")); }), "there is no VM mail");
}

} // namespace
} // namespace ravelin::vm

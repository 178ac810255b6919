// SPDX-License-Identifier: Apache-2.0
// The run loop answers each exit and brings events in, in order and once.
#include "scripted_cpu.hpp"

#include <hv/domain/basic_devices.hpp>

namespace ravelin::hv::domain {
namespace {

using cpu::Register;

class RunLoopTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(domain.stage2().initialise());
        ASSERT_TRUE(domain.stage2().map(GuestPhysical{0},
                                        HostPhysical{test::GuestMachine::host_base},
                                        Bytes{test::GuestMachine::size},
                                        Access::all,
                                        stage2::MemoryType::write_back));
        backend.at_end = [this] { domain.stop(StopReason::power_off); };
    }
    cpu::GeneralRegisters& registers() { return vcpu.registers(); }
    template <typename ExitType> void then(ExitType exit) {
        backend.script.push_back([exit](cpu::GeneralRegisters&) { return cpu::Exit{exit}; });
    }
    /// A CPU of its own: what blocks is run again at its deadline.
    StopReport run() {
        for (;;) {
            last = loop.run({cpu::Tsc{until}, revoked});
            if (last == Leave::stopped || (last == Leave::blocked && !vcpu.next_deadline()))
                return domain.stop_reason() ? domain.stop_report() : StopReport{};
            if (last == Leave::blocked) {
                ++waits;
                physical.time = vcpu.next_deadline()->raw();
            }
        }
    }

    Leave last{};
    int waits = 0;
    u64 until = ~u64{0};
    std::atomic<bool> revoked{false};
    test::GuestMachine machine;
    test::RecordingAbi abi;
    Domain domain{{DomainId{0}, Name{"test"}, Role::domain0, LabelId{0}},
                  {stage2::Format::nested_pages, stage2::LargestPage::size_2m},
                  machine.tables,
                  machine,
                  abi};
    test::ScriptedCpu backend;
    test::SimpleApic apic;
    test::TestPhysicalCpu physical;
    Vcpu vcpu{domain, VcpuId{0}, backend, apic};
    CpuidPolicy policy{physical};
    RunLoop loop{vcpu, physical, policy};
};

TEST_F(RunLoopTest, HypercallsComeFromKernelsOnly) {
    registers()[Register::rax] = 17;
    registers()[Register::r10] = 0x44;
    abi.answer = -38;
    then(cpu::HypercallExit{});
    (void)run();
    ASSERT_EQ(abi.calls.size(), 1u);
    EXPECT_EQ(abi.calls[0].values[3], 0x44u);
    EXPECT_EQ(static_cast<i64>(registers()[Register::rax]), -38);
    EXPECT_EQ(backend.rip_, 0x1003u);
}

TEST_F(RunLoopTest, HypercallsOfUserSpaceAndOldModesAreRefused) {
    backend.cpl = 3;
    then(cpu::HypercallExit{});
    backend.script.push_back([this](cpu::GeneralRegisters& r) {
        EXPECT_EQ(static_cast<i64>(r[Register::rax]), -1);
        backend.cpl = 0;
        backend.code = cpu::CodeSize::bits32;
        return cpu::HypercallExit{};
    });
    (void)run();
    EXPECT_TRUE(abi.calls.empty());
    EXPECT_EQ(registers()[Register::rax], 0xffff'ffdau);
}

TEST_F(RunLoopTest, OtherVendorsHypercallBytes) {
    const std::array<u8, 3> vmcall{0x0f, 0x01, 0xc1};
    ASSERT_TRUE(domain.memory().write(GuestPhysical{0x1000}, vmcall));
    then(cpu::UndefinedOpcodeExit{});
    then(cpu::UndefinedOpcodeExit{}); // at 0x1003 there is no such instruction
    (void)run();
    EXPECT_EQ(abi.calls.size(), 1u);
    EXPECT_EQ(backend.entered_with.back(), 6);
}

TEST_F(RunLoopTest, UnclaimedPortsReadOnesAndKeepWhatTheInstructionKeeps) {
    registers()[Register::rax] = 0x1122'3344'5566'7788;
    then(cpu::IoExit{0x80, 1, cpu::IoDirection::in, cpu::IoForm::single, 8, 0x2000});
    (void)run();
    EXPECT_EQ(registers()[Register::rax], 0x1122'3344'5566'77ffu);
    EXPECT_EQ(backend.rip_, 0x2000u);
}

TEST_F(RunLoopTest, PendingInterruptWaitsForItsWindow) {
    apic.raise(Vector{0x31});
    backend.interrupt_flag = false;
    then(cpu::CpuidExit{});
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_TRUE(backend.window);
        backend.interrupt_flag = true;
        return cpu::InterruptWindowExit{};
    });
    (void)run();
    ASSERT_EQ(backend.entered_with.size(), 3u);
    EXPECT_EQ(backend.entered_with[0], std::nullopt);
    EXPECT_EQ(backend.entered_with[2], 0x31);
    EXPECT_FALSE(apic.requested);
}

TEST_F(RunLoopTest, TaskPriorityHoldsInterruptsBack) {
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        backend.cr8 = 8;
        apic.raise(Vector{0x31});
        return cpu::CpuidExit{};
    });
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_FALSE(backend.entered_with.back());
        backend.cr8 = 0;
        return cpu::CpuidExit{};
    });
    (void)run();
    EXPECT_EQ(backend.entered_with.back(), 0x31);
}

TEST_F(RunLoopTest, HaltWaitsForTheTimerAndIsWokenOnce) {
    vcpu.set_timer_deadline(cpu::Tsc{5000});
    then(cpu::HaltExit{});
    (void)run();
    EXPECT_EQ(waits, 1);
    EXPECT_EQ(abi.expired, 1);
    EXPECT_EQ(backend.entered_with.back(), 0xf3);
    EXPECT_FALSE(vcpu.pending_upcall());
}

TEST_F(RunLoopTest, HaltWithoutInterruptsIsPowerOff) {
    backend.interrupt_flag = false;
    then(cpu::HaltExit{});
    EXPECT_EQ(run().reason, StopReason::power_off);
    EXPECT_EQ(domain.stop_reason(), StopReason::power_off);
    EXPECT_EQ(waits, 0);
}

TEST_F(RunLoopTest, OneVcpuThatRestsForGoodDoesNotEndADomainWithOthers) {
    test::ScriptedCpu other_backend;
    test::SimpleApic other_apic;
    Vcpu other{domain, VcpuId{1}, other_backend, other_apic};
    backend.interrupt_flag = false;
    then(cpu::HaltExit{});
    (void)run();
    EXPECT_EQ(last, Leave::blocked);
    EXPECT_TRUE(domain.running());
    EXPECT_TRUE(vcpu.rests_for_good());
    other.set_activity(Activity::awaiting_start_up);
    EXPECT_TRUE(vcpu.rests_for_good() && other.rests_for_good());
    other.request_attention(); // as a start-up IPI on its way does
    domain.stop_if_all_rest_for_good();
    EXPECT_TRUE(domain.running());
}

TEST_F(RunLoopTest, InitAndStartUpBeginAgain) {
    vcpu.set_activity(Activity::awaiting_start_up);
    registers()[Register::rbx] = 7;
    then(cpu::CpuidExit{});
    apic.record({cpu::StartUp::Kind::start_up, Vector{0x99}});
    (void)run();
    EXPECT_EQ(backend.started_at, 0x99);
    EXPECT_EQ(vcpu.activity(), Activity::active);
    // INIT of a vCPU that runs; the start-up that nobody awaits is dropped.
    backend.started_at.reset();
    apic.record({cpu::StartUp::Kind::init, Vector{}});
    RunLoop again{vcpu, physical, policy};
    (void)again.run({cpu::Tsc{until}, revoked});
    EXPECT_FALSE(backend.started_at);
}

TEST_F(RunLoopTest, ATurnEndsWithItsTimeOrWhenRevoked) {
    until = 5000;
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_EQ(physical.armed, cpu::Tsc{5000});
        physical.time = 5000;
        return cpu::HostInterruptExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::over);
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        revoked = true;
        return cpu::HostInterruptExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{9000}, revoked}), Leave::over);
    EXPECT_TRUE(domain.running());
}

TEST_F(RunLoopTest, APausedDomainIsNotEntered) {
    domain.pause();
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::blocked);
    EXPECT_TRUE(backend.entered_with.empty());
    domain.unpause();
    EXPECT_TRUE(vcpu.has_attention());
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        domain.pause(); // as another CPU does
        return cpu::CpuidExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::blocked);
    EXPECT_EQ(backend.entered_with.size(), 1u);
}

TEST_F(RunLoopTest, SpinningByPauseLetsOthersGoFirst) {
    then(cpu::PauseExit{});
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::yielded);
    EXPECT_EQ(backend.rip_, 0x1002u);
}

TEST_F(RunLoopTest, APollEndsWithARaisedPortOrItsTime) {
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        domain.set_polling(vcpu.id());
        vcpu.set_poll_deadline(cpu::Tsc{7000});
        vcpu.rest(Rest::block);
        return cpu::HypercallExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::blocked);
    EXPECT_EQ(vcpu.next_deadline(), cpu::Tsc{7000});
    EXPECT_FALSE(vcpu.has_attention());
    domain.wake_pollers();
    EXPECT_TRUE(vcpu.must_look());
    (void)run();
    EXPECT_FALSE(vcpu.next_deadline()) << "it does not poll any more";
    domain.wake_pollers();
    EXPECT_FALSE(vcpu.must_look());
}

TEST_F(RunLoopTest, YieldAndBlockEndTheTurnOnce) {
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.rest(Rest::yield);
        return cpu::HypercallExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::yielded);
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.rest(Rest::block);
        return cpu::HypercallExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::blocked);
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.rest(Rest::block);
        apic.raise(Vector{0x40}); // comes before it sleeps
        return cpu::HypercallExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::stopped);
    EXPECT_EQ(backend.entered_with.back(), 0x40);
}

TEST_F(RunLoopTest, AYieldThatHelpsNobodyGoesStraightBack) {
    std::atomic<bool> others{false};
    const auto yields = [this](cpu::GeneralRegisters&) {
        vcpu.rest(Rest::yield);
        return cpu::HypercallExit{};
    };
    backend.script.push_back(yields);
    backend.script.push_back([&](cpu::GeneralRegisters& r) {
        others = true;
        return yields(r);
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked, &others}), Leave::yielded);
    EXPECT_EQ(backend.entered_with.size(), 2u);
}

TEST_F(RunLoopTest, APollThatFindsAnInterruptIsOver) {
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.set_poll_deadline(cpu::Tsc{7000});
        vcpu.rest(Rest::block);
        apic.raise(Vector{0x40});
        return cpu::HypercallExit{};
    });
    then(cpu::HostInterruptExit{});
    EXPECT_EQ(run().reason, StopReason::power_off);
    EXPECT_EQ(backend.entered_with[1], 0x40);
    EXPECT_FALSE(vcpu.next_deadline());
    EXPECT_EQ(physical.armed, cpu::Tsc{until});
}

TEST_F(RunLoopTest, OnlyAnMsrWriteThatAsksForItLooksAtInterruptsAgain) {
    apic.raise(Vector{0x31});
    vcpu.cpu().request_interrupt_window(cpu::InterruptWindow::not_wanted);
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        apic.SimpleApic::request(Vector{0x41}); // behind the listener's back
        return cpu::MsrWriteExit{};
    });
    backend.script.push_back([this](cpu::GeneralRegisters& r) {
        EXPECT_FALSE(backend.entered_with.back()) << "nobody was told";
        r[Register::rcx] = 0x80b;
        apic.tells_of_writes = true;
        return cpu::MsrWriteExit{};
    });
    then(cpu::CpuidExit{});
    registers()[Register::rcx] = 0x80b;
    (void)run();
    EXPECT_EQ(backend.entered_with[0], 0x31);
    EXPECT_EQ(backend.entered_with[2], 0x41);
}

TEST_F(RunLoopTest, ApicTimerIsArmedAndExpires) {
    apic.fires_at = cpu::Tsc{3000};
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_EQ(physical.armed, cpu::Tsc{3000});
        physical.time = 3001;
        return cpu::HostInterruptExit{};
    });
    (void)run();
    EXPECT_EQ(backend.entered_with.back(), 0x40);
    EXPECT_EQ(physical.armed, cpu::Tsc{until});
}

TEST_F(RunLoopTest, EventsAreDeliveredWhenAskedFor) {
    vcpu.request_event_check();
    then(cpu::CpuidExit{});
    then(cpu::CpuidExit{});
    (void)run();
    EXPECT_EQ(abi.deliveries, 1);
}

TEST_F(RunLoopTest, AnEventBetweenTwoEntriesComesWithTheSecond) {
    abi.upcall = 0xf3;
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.request_event_check(); // as a hypercall that sends to itself does
        return cpu::HypercallExit{};
    });
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_EQ(backend.entered_with.back(), 0xf3);
        vcpu.request_event_check();
        domain.pause(); // nobody else's wish is lost behind an event
        return cpu::HypercallExit{};
    });
    EXPECT_EQ(loop.run({cpu::Tsc{until}, revoked}), Leave::blocked);
    EXPECT_EQ(abi.deliveries, 1);
    EXPECT_EQ(backend.entered_with.size(), 2u);
    domain.unpause();
    (void)run();
    EXPECT_EQ(abi.deliveries, 2);
    EXPECT_EQ(backend.entered_with[2], 0xf3);
}

TEST_F(RunLoopTest, ADeadlineSetBetweenTwoEntriesIsArmedOrFiresAtOnce) {
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        vcpu.set_timer_deadline(cpu::Tsc{3000});
        return cpu::HypercallExit{};
    });
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_EQ(physical.armed, cpu::Tsc{3000});
        vcpu.set_timer_deadline(std::nullopt);
        return cpu::HypercallExit{};
    });
    backend.script.push_back([this](cpu::GeneralRegisters&) {
        EXPECT_EQ(physical.armed, cpu::Tsc{until});
        vcpu.set_timer_deadline(cpu::Tsc{500}); // it is 1000
        return cpu::HypercallExit{};
    });
    (void)run();
    EXPECT_EQ(abi.expired, 1);
    EXPECT_EQ(backend.entered_with[3], 0xf3);
}

TEST_F(RunLoopTest, ExtendedControlRegisterRules) {
    const auto attempt = [this](u64 value, u32 index = 0) {
        backend.script.push_back([=](cpu::GeneralRegisters& r) {
            r[Register::rax] = value & 0xffff'ffff;
            r[Register::rdx] = value >> 32;
            r[Register::rcx] = index;
            return cpu::XsetbvExit{};
        });
    };
    attempt(0);
    attempt(5);    // AVX without SSE
    attempt(7, 1); // no such register
    attempt(0x27); // one part of AVX-512
    attempt(u64{1} << 62 | 1);
    attempt(7);
    (void)run();
    for (usize i = 1; i <= 5; ++i)
        EXPECT_EQ(backend.entered_with[i], 13) << i;
    EXPECT_EQ(backend.entered_with[6], std::nullopt);
    EXPECT_EQ(backend.xcr0_, 7u);
}

TEST_F(RunLoopTest, ApicPageIsEmulatedThroughTheDecoder) {
    LocalApicPage page{physical};
    AbsentTimer timer;
    PowerPorts power;
    ASSERT_TRUE(add_basic_devices(domain.io_bus(), page, timer, power));
    const std::array<u8, 2> store{0x89, 0x0f}; // mov %ecx,(%rdi)
    ASSERT_TRUE(domain.memory().write(GuestPhysical{0x1000}, store));
    registers()[Register::rcx] = 0x1234;
    then(cpu::Stage2FaultExit{
        GuestPhysical{0xfee0'0080}, Access::write, cpu::Stage2FaultExit::During::access});
    (void)run();
    EXPECT_EQ(apic.written, (std::pair<u32, u32>{0x80, 0x1234}));
    EXPECT_EQ(backend.rip_, 0x1002u);
}

TEST_F(RunLoopTest, PowerPortsStopTheDomainForTheGuestsReason) {
    LocalApicPage page{physical};
    AbsentTimer timer;
    PowerPorts power;
    ASSERT_TRUE(add_basic_devices(domain.io_bus(), page, timer, power));
    const auto& bus = domain.io_bus();
    bus.write_port(vcpu, PowerPorts::sleep_status, 1, 0x80);
    bus.write_port(vcpu, PowerPorts::sleep_control, 1, 0x2c); // enabled, but type 3
    bus.write_port(vcpu, PowerPorts::reset, 1, 6);
    EXPECT_TRUE(domain.running());
    bus.write_port(vcpu, PowerPorts::sleep_control, 1, 0x34);
    EXPECT_EQ(domain.stop_reason(), StopReason::power_off);
}

TEST_F(RunLoopTest, WhatCannotBeAnsweredStopsTheDomainInWords) {
    then(cpu::Stage2FaultExit{
        GuestPhysical{0x9000'0000}, Access::read, cpu::Stage2FaultExit::During::page_walk});
    const StopReport report = run();
    EXPECT_EQ(report.reason, StopReason::fault);
    EXPECT_EQ(report.detail, 0x9000'0000u);
    EXPECT_STRNE(report.what, "");
}

TEST_F(RunLoopTest, TripleFault) {
    then(cpu::ShutdownExit{});
    EXPECT_STREQ(run().what, "triple fault");
}

TEST_F(RunLoopTest, StringOutputMovesItsRegisters) {
    const std::array<u8, 3> text{'a', 'b', 'c'};
    ASSERT_TRUE(domain.memory().write(GuestPhysical{0x3000}, text));
    registers()[Register::rsi] = 0x3000;
    registers()[Register::rcx] = 3;
    then(cpu::IoExit{0xe9, 1, cpu::IoDirection::out, cpu::IoForm::repeated_string, 8, 0x1002});
    (void)run();
    EXPECT_EQ(registers()[Register::rcx], 0u);
    EXPECT_EQ(registers()[Register::rsi], 0x3003u);
    EXPECT_EQ(backend.rip_, 0x1002u);
}

} // namespace
} // namespace ravelin::hv::domain

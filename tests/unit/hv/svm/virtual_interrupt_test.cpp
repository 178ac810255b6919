// SPDX-License-Identifier: Apache-2.0
// An interrupt on the virtual interrupt line: each exit before, in and after its delivery.
#include <hv/svm/virtual_interrupt.hpp>

#include <gtest/gtest.h>

namespace ravelin::hv::svm {
namespace {

using cpu::InterruptWindow;

class VirtualInterruptLineTest : public testing::Test {
  protected:
    VirtualInterruptLineTest() { leave(); }

    /// An exit with nothing in EXITINTINFO: every group is clean then.
    void leave() {
        control.vmcb_clean = all_clean;
        line.settle(control);
    }
    /// The CPU takes the interrupt. [AMD APM vol2 15.21.4]
    void take() { control.virtual_interrupt &= ~VirtualInterrupt::Irq::mask; }
    bool pending() const { return VirtualInterrupt::Irq::get(control.virtual_interrupt); }
    u8 vector() const { return VirtualInterrupt::Vector::get(control.virtual_interrupt); }
    bool window_exits() const { return Intercept1::Vintr::get(control.intercept1); }
    bool iret_exits() const { return Intercept1::Iret::get(control.intercept1); }
    bool is_clean(Clean group) const { return (control.vmcb_clean & static_cast<u32>(group)) != 0; }

    ControlArea control{};
    VirtualInterruptLine line;
};

TEST_F(VirtualInterruptLineTest, IsTakenByTheGuestWithoutAnExit) {
    line.request_window(control, InterruptWindow::wanted);
    EXPECT_TRUE(window_exits());
    line.request_window(control, InterruptWindow::not_wanted);
    control.vmcb_clean = all_clean;
    line.deliver(control, Vector{0xf3});
    EXPECT_TRUE(pending());
    EXPECT_EQ(vector(), 0xf3);
    EXPECT_TRUE(VirtualInterrupt::IgnoreTpr::get(control.virtual_interrupt));
    EXPECT_FALSE(window_exits());
    EXPECT_FALSE(is_clean(Clean::intercepts));
    EXPECT_FALSE(is_clean(Clean::interrupt_control));
    take();
    leave();
    EXPECT_FALSE(line.is_on_its_way());
    EXPECT_FALSE(pending());
}

TEST_F(VirtualInterruptLineTest, WaitsForAnExitThatCameFirst) {
    line.deliver(control, Vector{0x40});
    leave();
    EXPECT_TRUE(line.is_on_its_way());
    EXPECT_TRUE(pending());
    EXPECT_EQ(vector(), 0x40);
    EXPECT_FALSE(window_exits());
}

TEST_F(VirtualInterruptLineTest, IsDeliveredOnceMoreWhenItsDeliveryWasBrokenOff) {
    for (const bool cleared_by_the_cpu : {false, true}) {
        line.deliver(control, Vector{0x40});
        if (cleared_by_the_cpu)
            take();
        control.eventinj = Event::Vector::of(0x40) |
                           Event::TypeField::of(Event::Type::external_interrupt) |
                           Event::Valid::of(true);
        leave();
        EXPECT_EQ(control.eventinj, 0u);
        EXPECT_TRUE(line.is_on_its_way());
        EXPECT_TRUE(pending());
        EXPECT_EQ(vector(), 0x40);
        take();
        leave();
        EXPECT_FALSE(line.is_on_its_way());
    }
}

TEST_F(VirtualInterruptLineTest, AnExceptionOfTheGuestGoesInBesideIt) {
    line.deliver(control, Vector{0x40});
    const u64 fault = Event::Vector::of(14) | Event::TypeField::of(Event::Type::exception) |
                      Event::ErrorCodeValid::of(true) | Event::Valid::of(true);
    control.eventinj = fault;
    leave();
    EXPECT_EQ(control.eventinj, fault);
    EXPECT_TRUE(pending());
}

TEST_F(VirtualInterruptLineTest, AnotherOneWaitsForTheEndOfTheHandlerAtLatest) {
    line.deliver(control, Vector{0x40});
    line.request_window(control, InterruptWindow::wanted);
    EXPECT_TRUE(iret_exits());
    leave();
    EXPECT_TRUE(iret_exits()) << "the first is not taken yet";
    take();
    leave();
    EXPECT_FALSE(iret_exits());
    EXPECT_TRUE(pending());
    EXPECT_TRUE(window_exits());
}

TEST_F(VirtualInterruptLineTest, ResetForgetsAll) {
    line.deliver(control, Vector{0x40});
    line.request_window(control, InterruptWindow::wanted);
    line.reset(control);
    EXPECT_FALSE(line.is_on_its_way());
    EXPECT_FALSE(pending());
    EXPECT_FALSE(iret_exits());
}

} // namespace
} // namespace ravelin::hv::svm

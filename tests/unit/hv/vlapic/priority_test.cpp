// SPDX-License-Identifier: Apache-2.0
#include "apic_fixture.hpp"

namespace ravelin::hv::vlapic {
namespace {

using Priority = TwoApics;

TEST_F(Priority, highest_requested_vector_comes_first_and_end_of_interrupt_lets_the_next_through) {
    enable_x2apic(first);
    first.raise(Vector{0x31});
    first.raise(Vector{0xf3});
    EXPECT_EQ(told_first.times, 2);
    EXPECT_EQ(first.pending_vector(), Vector{0xf3});
    first.accept(Vector{0xf3});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_EQ(first.pending_vector(), Vector{0x31});
}

TEST_F(Priority, end_of_interrupt_tells_the_listener_only_of_what_still_waits) {
    enable_x2apic(first);
    first.raise(Vector{0x31});
    first.raise(Vector{0x32});
    first.accept(Vector{0x32});
    told_first.times = 0;
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_EQ(told_first.times, 1);
    first.accept(Vector{0x31});
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_EQ(told_first.times, 1);
    EXPECT_FALSE(write(first, Reg::end_of_interrupt, 1));
}

TEST_F(Priority, what_a_write_may_let_through_is_told) {
    enable_x2apic(first);
    for (const Reg which : {Reg::task_priority,
                            Reg::spurious_interrupt,
                            Reg::lvt_timer,
                            Reg::initial_count,
                            Reg::divide_configuration,
                            Reg::self_ipi}) {
        told_first.times = 0;
        EXPECT_TRUE(write(first, which, 0x80)) << static_cast<int>(which);
        EXPECT_GE(told_first.times, 1) << static_cast<int>(which);
    }
    told_first.times = 0;
    EXPECT_TRUE(first.write_msr(ApicBase::msr, first.read_msr(ApicBase::msr, now).value(), now));
    EXPECT_EQ(told_first.times, 1);
}

TEST_F(Priority, a_higher_class_interrupts_a_lower_one_in_service) {
    enable_x2apic(first);
    first.raise(Vector{0x31});
    first.accept(Vector{0x31});
    first.raise(Vector{0x3f});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    first.raise(Vector{0x40});
    EXPECT_EQ(first.pending_vector(), Vector{0x40});
    first.accept(Vector{0x40});
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_EQ(read(first, Reg::in_service), 0u);
    EXPECT_EQ(first.processor_priority(), 0x30);
}

TEST_F(Priority, task_priority_holds_its_class_and_below) {
    enable_x2apic(first);
    first.set_task_priority(4);
    EXPECT_EQ(first.task_priority(), 4);
    first.raise(Vector{0x4f});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    first.raise(Vector{0x50});
    EXPECT_EQ(first.pending_vector(), Vector{0x50});
    EXPECT_EQ(first.processor_priority(), 0x40);
}

TEST_F(Priority, a_request_waits_until_the_guest_enables_the_apic) {
    first.raise(Vector{0xf3});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    enable_xapic(first);
    EXPECT_EQ(first.pending_vector(), Vector{0xf3});
    first.write(offset(Reg::spurious_interrupt), 0xff, now);
    EXPECT_EQ(first.pending_vector(), std::nullopt);
}

TEST_F(Priority, an_illegal_vector_is_an_error_and_no_request) {
    enable_x2apic(first);
    first.raise(Vector{15});
    EXPECT_EQ(first.pending_vector(), std::nullopt);
    EXPECT_TRUE(write(first, Reg::error_status, 0));
    EXPECT_EQ(read(first, Reg::error_status), 0x40u);
}

TEST_F(Priority, two_requests_for_one_vector_are_one) {
    enable_x2apic(first);
    first.raise(Vector{0x80});
    first.raise(Vector{0x80});
    first.accept(Vector{0x80});
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_EQ(first.pending_vector(), std::nullopt);
}

TEST_F(Priority, end_of_interrupt_without_one_changes_nothing) {
    enable_x2apic(first);
    EXPECT_TRUE(write(first, Reg::end_of_interrupt, 0));
    EXPECT_FALSE(write(first, Reg::end_of_interrupt, 1));
}

} // namespace
} // namespace ravelin::hv::vlapic

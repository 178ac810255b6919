// SPDX-License-Identifier: Apache-2.0
// Deadlines that leave out what a child waited for a CPU: shown by two children that share one.
#include <tools/server/deadline.hpp>
#include <tools/server/process.hpp>

#include <gtest/gtest.h>
#include <thread>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;

ProcessOptions busy_on_first_cpu() {
    return ProcessOptions{
        {"taskset", "--cpu-list", "0", "sh", "-c", "while :; do :; done"}, {}, {}, {}};
}

TEST(Deadline, CountsTheTimeWithoutACpuOut) {
    const Process one{busy_on_first_cpu()};
    const Process other{busy_on_first_cpu()};
    const Deadline patient{700ms, one.pid()};
    const Deadline strict{700ms, std::nullopt};
    std::this_thread::sleep_for(1s);
    EXPECT_GT(starved_time(one.pid()) + starved_time(other.pid()), 500ms);
    EXPECT_EQ(strict.left(), 0ms);
    // About half of the second was the other's.
    EXPECT_GT(patient.left(), 0ms);
}

TEST(Deadline, PassesWhenTheChildSleeps) {
    const Process idle{ProcessOptions{{"sleep", "60"}, {}, {}, {}}};
    const Deadline deadline{50ms, idle.pid()};
    EXPECT_GT(deadline.left(), 0ms);
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(deadline.left(), 0ms);
}

TEST(Deadline, OfAProcessThatIsGoneIsTheClocks) {
    EXPECT_EQ(starved_time(0x7fffffff), 0ns);
    const Deadline deadline{20ms, 0x7fffffff};
    std::this_thread::sleep_for(50ms);
    EXPECT_EQ(deadline.left(), 0ms);
}

} // namespace
} // namespace ravelin::tools

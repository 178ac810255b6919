// SPDX-License-Identifier: Apache-2.0
#include <tools/server/console.hpp>
#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class ConsoleTest : public testing::Test {
  protected:
    void print(std::string_view text) const {
        const std::vector<u8> bytes{text.begin(), text.end()};
        write_all(pair_.theirs, bytes);
    }
    std::string failure_of(const std::string& pattern) {
        try {
            console_.wait_for(pattern, 50ms);
        } catch (const ServerError& error) {
            return error.what();
        }
        return "no failure";
    }

    PrivateDirectory directory_;
    SocketPair pair_{make_socket_pair()};
    Console console_{std::move(pair_.ours), directory_.path() / "log"};
};

TEST_F(ConsoleTest, WaitsForLinesInOrderAndReturnsGroups) {
    print("booting\r\nboot: 42 instructions\r\nlogin: ");
    EXPECT_THAT(console_.wait_for("boot: ([0-9]+) instructions", 60s),
                ElementsAre("boot: 42 instructions", "42"));
    console_.wait_for("login: $", 60s);
    EXPECT_THAT(failure_of("booting"), HasSubstr("nothing matching /booting/"));
}

TEST_F(ConsoleTest, FailedWaitConsumesNothing) {
    print("first\nsecond\n");
    while (console_.text() != "first\nsecond\n")
        std::this_thread::sleep_for(1ms);
    EXPECT_THAT(failure_of("third"), HasSubstr("  | second"));
    console_.wait_for("first", 60s);
}

TEST_F(ConsoleTest, EscapeSequencesAreTakenOutAcrossPieces) {
    print("\x1b[1;3");
    print("1mGRUB\x1b[0m loading\n");
    console_.wait_for("^GRUB loading$", 60s);
}

TEST_F(ConsoleTest, EndOfTheMachineIsSaid) {
    print("panic: no TPM\n");
    pair_.theirs.reset();
    ASSERT_TRUE(console_.wait_until_closed(60s));
    EXPECT_THAT(failure_of("login"), HasSubstr("the machine ended before"));
    EXPECT_THAT(failure_of("login"), HasSubstr("panic: no TPM"));
    console_.wait_for("panic", 60s);
}

TEST_F(ConsoleTest, TypesToTheMachine) {
    console_.send("ls\n");
    std::vector<u8> typed(3);
    ASSERT_TRUE(read_exactly(pair_.theirs, typed));
    EXPECT_THAT(typed, ElementsAre('l', 's', '\n'));
}

TEST_F(ConsoleTest, LongLineDoesNotExhaustTheStack) {
    print(std::string(200000, 'x') + "\nend\n");
    console_.wait_for("^end$", 60s);
}

} // namespace
} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ravelin::tools {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

ProcessOptions shell(const std::string& script) {
    return {.arguments = {"sh", "-c", script}, .output = {}, .inherited = {}, .environment = {}};
}

std::string failure_of(const ProcessOptions& options, std::chrono::milliseconds timeout) {
    try {
        run(options, timeout);
    } catch (const ServerError& error) {
        return error.what();
    }
    return "no failure";
}

TEST(Process, FailureShowsStatusAndOutput) {
    EXPECT_THAT(failure_of(shell("echo why; exit 3"), 5s),
                testing::AllOf(HasSubstr("status 3"), HasSubstr("  | why")));
    EXPECT_THAT(failure_of(shell("sleep 60"), 50ms), HasSubstr("did not end within"));
    ProcessOptions missing = shell("");
    missing.arguments[0] = "ravelin-no-such-program";
    EXPECT_THAT(failure_of(missing, 5s), HasSubstr("not installed"));
}

TEST(Process, DestructorEndsTheChild) {
    pid_t pid = -1;
    {
        const Process process{shell("exec sleep 60")};
        pid = process.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Process, EnvironmentReachesTheChild) {
    ProcessOptions options = shell("test \"$COLOUR\" = red");
    options.environment = {"COLOUR=red"};
    run(options, 5s);
}

TEST(PrivateDirectory, IsOursAloneAndGoes) {
    std::filesystem::path path;
    {
        const PrivateDirectory directory;
        path = directory.path();
        EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LastLines, TakesTheEnd) {
    EXPECT_EQ(last_lines("a\nb\nc\n", 2), "  | b\n  | c\n");
    EXPECT_EQ(last_lines("a", 2), "  | a\n");
    EXPECT_EQ(last_lines("", 2), "  | (nothing)\n");
}

} // namespace
} // namespace ravelin::tools

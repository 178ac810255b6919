// SPDX-License-Identifier: Apache-2.0
// A guest's end of the console, honest and hostile.
#include <hv/console/guest_console.hpp>

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include <xen/io/console.h>
}

namespace ravelin::hv::console {
namespace {

class Collected final : public Echo {
  public:
    void echo(std::string_view text) override { said += text; }
    std::string said;
};

std::span<const u8> bytes_of(std::string_view text) {
    // SAFETY: char may alias any byte.
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

class GuestConsoleTest : public ::testing::Test {
  protected:
    GuestConsoleTest() { console.attach(std::span<u8, page_size>{page}); }
    // SAFETY: the page holds the ring, aligned.
    xencons_interface& ring() { return *reinterpret_cast<xencons_interface*>(page); }

    /// What a stock front end does; the count that found room.
    usize guest_writes(std::string_view text) {
        usize done = 0;
        while (done < text.size() && ring().out_prod - ring().out_cons < sizeof(ring().out))
            ring().out[ring().out_prod++ % sizeof(ring().out)] = text[done++];
        return done;
    }
    std::string guest_reads() {
        std::string out;
        while (ring().in_cons != ring().in_prod)
            out += ring().in[ring().in_cons++ % sizeof(ring().in)];
        return out;
    }
    std::string history(u64 offset = 0) {
        std::vector<u8> buffer(GuestConsole::history_size);
        buffer.resize(console.read(offset, buffer));
        return {buffer.begin(), buffer.end()};
    }

    alignas(page_size) u8 page[page_size]{};
    GuestConsole console;
};

TEST_F(GuestConsoleTest, WhatTheGuestWritesIsHistoryAndRoomAgain) {
    std::string all;
    for (int i = 0; i < 500; ++i) {
        const std::string line = "line " + std::to_string(i) + "\n";
        ASSERT_EQ(guest_writes(line), line.size());
        EXPECT_EQ(console.serve(), Notify::yes);
        EXPECT_EQ(ring().out_cons, ring().out_prod);
        all += line;
    }
    EXPECT_EQ(history(), all);
    EXPECT_EQ(console.serve(), Notify::no) << "nothing moved";
}

TEST_F(GuestConsoleTest, AReaderThatComesLateLearnsWhatItMissed) {
    std::string all;
    for (int i = 0; i < 3000; ++i)
        all += std::to_string(i) + "\n";
    console.say(bytes_of(all.substr(0, 5000)));
    console.say(bytes_of(all.substr(5000)));
    console.say(bytes_of(all));
    all += all;
    u64 offset = 0;
    std::array<u8, 16> some{};
    ASSERT_EQ(console.read(offset, some), some.size());
    EXPECT_EQ(offset, all.size() - GuestConsole::history_size);
    EXPECT_EQ(std::string(some.begin(), some.end()), all.substr(offset, some.size()));
    offset = ~u64{0};
    EXPECT_EQ(console.read(offset, some), 0u);
    EXPECT_EQ(offset, all.size());
}

TEST_F(GuestConsoleTest, InputWaitsUntilTheGuestHasRoom) {
    std::string typed;
    for (int i = 0; i < 300; ++i)
        typed += std::to_string(1000 + i) + ";"; // 1500 bytes: more than the ring
    const auto result = console.type(bytes_of(typed));
    EXPECT_EQ(result.taken, typed.size());
    EXPECT_EQ(result.notify, Notify::yes);
    std::string got = guest_reads();
    EXPECT_EQ(got.size(), sizeof(ring().in));
    EXPECT_EQ(console.serve(), Notify::yes);
    got += guest_reads();
    EXPECT_EQ(got, typed);
    EXPECT_EQ(console.serve(), Notify::no);
}

TEST_F(GuestConsoleTest, InputBeyondTheQueueIsNotTakenAndSaidSo) {
    const std::string much(GuestConsole::input_size + 500, 'x');
    EXPECT_EQ(console.type(bytes_of(much)).taken, GuestConsole::input_size);
    // The ring took its part; that much fits again.
    const auto second = console.type(bytes_of(much));
    EXPECT_EQ(second.taken, sizeof(ring().in));
    EXPECT_EQ(second.notify, Notify::no) << "the ring is full";
}

TEST_F(GuestConsoleTest, AHostileRingHurtsOnlyItsOwnText) {
    // Every index at every value that is likely to break arithmetic; a red zone around the page
    // is the sanitizer's.
    const std::vector<u32> values{
        0, 1, 1023, 1024, 1025, 2047, 2048, 2049, 0x7fffffff, ~0u, ~0u - 2048};
    u64 before = 0;
    for (const u32 out : values)
        for (const u32 in : values) {
            ring().out_prod = out;
            ring().in_cons = in;
            ring().in_prod = out;
            (void)console.type(bytes_of("typed"));
            (void)console.serve();
            u64 end = ~u64{0};
            (void)console.read(end, {});
            EXPECT_LE(end - before, sizeof(ring().out));
            EXPECT_EQ(ring().out_cons, out);
            EXPECT_LE(ring().in_prod - in, sizeof(ring().in));
            before = end;
        }
    // And it is usable again by whoever behaves.
    ring() = {};
    (void)console.serve();
    ring().in_cons = ring().in_prod;
    const usize said = guest_writes("sane\n");
    ASSERT_EQ(said, 5u);
    EXPECT_EQ(console.serve(), Notify::yes);
    EXPECT_TRUE(history().ends_with("sane\n"));
}

TEST_F(GuestConsoleTest, RandomPagesNeverMoveMoreThanARing) {
    std::mt19937 random{20240611};
    for (int round = 0; round < 2000; ++round) {
        for (u8& byte : page)
            byte = static_cast<u8>(random());
        u64 before = ~u64{0};
        (void)console.read(before, {});
        (void)console.serve();
        u64 after = ~u64{0};
        (void)console.read(after, {});
        EXPECT_LE(after - before, sizeof(ring().out));
    }
}

TEST_F(GuestConsoleTest, AloneOnTheTerminalAGuestIsRepeatedAsItIs) {
    Collected echo;
    console.echo_to(echo, EchoStyle::plain, "guest");
    console.say(bytes_of("login: \x1b[1m"));
    EXPECT_EQ(echo.said, "login: \x1b[1m");
}

TEST_F(GuestConsoleTest, BesideOthersAGuestCannotSpeakInTheirName) {
    Collected echo;
    console.echo_to(echo, EchoStyle::named_lines, "web");
    console.say(bytes_of("half"));
    EXPECT_EQ(echo.said, "") << "lines come whole";
    console.say(bytes_of(" a line\r\nravelin: I am the hypervisor\n\rother| \x1b[2Jhi\n"));
    EXPECT_EQ(echo.said,
              "web| half a line\nweb| ravelin: I am the hypervisor\nweb| other| ?[2Jhi\n");
    echo.said.clear();
    console.say(bytes_of(std::string(1000, 'a')));
    EXPECT_GT(echo.said.size(), 800u) << "a line without an end is cut, not kept";
    EXPECT_EQ(echo.said.substr(0, 6), "web| a");
}

TEST_F(GuestConsoleTest, BeforeARingIsAttachedInputWaits) {
    GuestConsole early;
    EXPECT_EQ(early.serve(), Notify::no);
    EXPECT_EQ(early.type(bytes_of("early")).taken, 5u);
    early.attach(std::span<u8, page_size>{page});
    EXPECT_EQ(early.serve(), Notify::yes);
    EXPECT_EQ(guest_reads(), "early");
}

} // namespace
} // namespace ravelin::hv::console

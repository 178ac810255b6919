// SPDX-License-Identifier: Apache-2.0
// Domains made, filled, run and destroyed through the control hypercall, on a model machine.
#include "model_host.hpp"

#include <crypto/sha.hpp>

#include <gtest/gtest.h>
#include <random>

namespace ravelin::hv::life {
namespace {

namespace control = wire::control;
using control::Operation;

std::vector<u8> pattern(usize size, u8 first) {
    std::vector<u8> out(size);
    for (usize i = 0; i < size; ++i)
        out[i] = static_cast<u8>(first + i * 7);
    return out;
}

class LifeTest : public ::testing::Test {
  protected:
    static constexpr u64 machine_frames = 4096;
    explicit LifeTest(u64 count = machine_frames) : host{count}, life{host, host.frames} {
        host.add_manifest_domain(0, "dom0");
    }

    template <typename Message> i64 call(Operation operation, const Message& message) {
        std::vector<u8> request(control::max_request);
        const auto encoded = control::encode(message, request);
        EXPECT_TRUE(encoded.is_ok());
        return life.control(static_cast<u64>(operation), caller, encoded.value(), response);
    }
    template <typename Message> Message answer(i64 size) {
        const auto decoded =
            control::decode<Message>(std::span{response}.first(static_cast<usize>(size)));
        EXPECT_TRUE(decoded.is_ok());
        return decoded.value();
    }
    i64 on(Operation operation, u16 id) {
        return call(operation, control::VmReference{DomainId{id}});
    }
    control::VmCreate request(std::string_view name = "web") {
        control::VmCreate out;
        out.name = name;
        out.memory_mib = 32;
        out.max_memory_mib = 64;
        out.vcpus = 2;
        out.label = "secret";
        out.command_line = "console=hvc0";
        return out;
    }
    /// The identifier, or a negative errno.
    i64 create(std::string_view name = "web") {
        const i64 size = call(Operation::vm_create, request(name));
        return size < 0 ? size : answer<control::VmReference>(size).domain.raw();
    }
    i64 load(u16 id, control::Image image, const std::vector<u8>& bytes, u64 chunk = 5000) {
        caller.memory = bytes;
        for (u64 at = 0; at < bytes.size(); at += chunk) {
            const u64 length = std::min<u64>(chunk, bytes.size() - at);
            const i64 done =
                call(Operation::vm_load,
                     control::VmLoad{
                         DomainId{id}, image, bytes.size(), at, ModelCaller::base + at, length});
            if (done < 0)
                return done;
        }
        return 0;
    }
    /// Calls until it is no longer EAGAIN.
    i64 insist(Operation operation, u16 id) {
        for (int tries = 0; tries < 10; ++tries)
            if (const i64 done = on(operation, id); done != -control::eagain)
                return done;
        return -control::eagain;
    }
    /// From nothing to running; negative when it failed anywhere.
    i64 start(std::string_view name = "web") {
        const i64 id = create(name);
        if (id < 0)
            return id;
        const u16 raw = static_cast<u16>(id);
        for (const i64 done : {load(raw, control::Image::kernel, kernel),
                               load(raw, control::Image::ramdisk, ramdisk),
                               insist(Operation::vm_seal, raw),
                               on(Operation::vm_unpause, raw)})
            if (done < 0)
                return done;
        return id;
    }
    control::VmState state(u16 id) {
        return answer<control::VmStop>(on(Operation::vm_shutdown_reason, id)).state;
    }

    ModelHost host;
    Life life;
    ModelCaller caller;
    std::vector<u8> response = std::vector<u8>(control::max_response);
    const std::vector<u8> kernel = pattern(20'000, 0x7f);
    const std::vector<u8> ramdisk = pattern(9'001, 3);
};

TEST_F(LifeTest, FromNothingToRunningToNothing) {
    const u64 before = host.free_frames();
    const i64 id = create();
    ASSERT_EQ(id, 1);
    EXPECT_EQ(state(1), control::VmState::building);
    ASSERT_EQ(load(1, control::Image::kernel, kernel), 0);
    ASSERT_EQ(load(1, control::Image::ramdisk, ramdisk), 0);
    EXPECT_EQ(on(Operation::vm_unpause, 1), -control::einval) << "nothing runs unmeasured";
    EXPECT_EQ(on(Operation::vm_seal, 1), -control::eagain);
    EXPECT_EQ(load(1, control::Image::kernel, kernel), -control::einval) << "it is measured";
    const auto digest = answer<control::LaunchDigest>(insist(Operation::vm_seal, 1));
    EXPECT_EQ(state(1), control::VmState::sealed);
    EXPECT_EQ(host.domain(DomainId{1}).kernel, kernel);
    EXPECT_EQ(host.domain(DomainId{1}).ramdisk, ramdisk);
    EXPECT_EQ(host.domain(DomainId{1}).command_line, "console=hvc0");
    EXPECT_EQ(host.domain(DomainId{1}).limit, Bytes{64 << 20});
    EXPECT_EQ(on(Operation::vm_unpause, 1), 0);
    EXPECT_EQ(state(1), control::VmState::running);
    EXPECT_EQ(host.domain(DomainId{1}).paused, 0);
    EXPECT_EQ(answer<control::VmInfo>(on(Operation::vm_info, 1)).digest.sha256, digest.sha256);
    EXPECT_EQ(insist(Operation::vm_destroy, 1), 0);
    EXPECT_EQ(on(Operation::vm_info, 1), -control::esrch);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, TheDigestIsOverWhatWasLoadedAndAsked) {
    // By its definition, apart from the code that computes it.
    const auto digest_of = [](const auto& bytes) {
        return crypto::hash<crypto::Sha256>(
            {reinterpret_cast<const u8*>(bytes.data()), bytes.size()});
    };
    ASSERT_EQ(start(), 1);
    control::VmCreate configuration = request();
    configuration.command_line = {};
    configuration.schedule = {};
    std::vector<u8> buffer(512);
    const auto encoded = control::encode(configuration, buffer).value();
    crypto::Sha256 whole;
    const auto add = [&whole](const auto& bytes) { whole.update({bytes.data(), bytes.size()}); };
    const std::string_view tag = "ravelin-launch-v1";
    whole.update({reinterpret_cast<const u8*>(tag.data()), tag.size()});
    add(digest_of(kernel));
    add(digest_of(ramdisk));
    add(digest_of(std::string_view{"console=hvc0"}));
    add(digest_of(encoded));
    const auto info = answer<control::VmInfo>(on(Operation::vm_info, 1));
    EXPECT_EQ(info.digest.sha256, whole.finish());
    EXPECT_EQ(info.label, "secret");
    EXPECT_EQ(info.summary.name, "web");
    EXPECT_EQ(info.max_memory_kib, 64u << 10);
}

TEST_F(LifeTest, EverythingThatIsDifferentHasAnotherDigest) {
    std::vector<control::LaunchDigest> digests;
    const auto launch = [&](const control::VmCreate& message, bool with_ramdisk) {
        const auto id = answer<control::VmReference>(call(Operation::vm_create, message)).domain;
        EXPECT_EQ(load(id.raw(), control::Image::kernel, kernel), 0);
        if (with_ramdisk) {
            EXPECT_EQ(load(id.raw(), control::Image::ramdisk, ramdisk), 0);
        }
        digests.push_back(answer<control::LaunchDigest>(insist(Operation::vm_seal, id.raw())));
        EXPECT_EQ(insist(Operation::vm_destroy, id.raw()), 0);
    };
    control::VmCreate other = request();
    launch(other, true);
    launch(other, false);
    other.command_line = "console=hvc0 init=/bin/sh";
    launch(other, true);
    other = request();
    other.label = "public";
    launch(other, true);
    other = request();
    other.store_domain = DomainId{5};
    launch(other, true);
    for (usize i = 0; i < digests.size(); ++i)
        for (usize j = 0; j < i; ++j)
            EXPECT_NE(digests[i].sha256, digests[j].sha256) << i << " " << j;
    other = request();
    other.schedule.weight = 7;
    launch(other, true);
    EXPECT_EQ(digests.back().sha256, digests.front().sha256) << "weights may change at run time";
}

TEST_F(LifeTest, AnImageKeepsTheSizeOfItsFirstChunk) {
    ASSERT_EQ(create(), 1);
    caller.memory = kernel;
    const auto chunk = [&](u64 total, u64 address, u64 length) {
        return call(
            Operation::vm_load,
            control::VmLoad{DomainId{1}, control::Image::kernel, total, 0, address, length});
    };
    // The frames are those of one byte, although nothing of it came.
    EXPECT_EQ(chunk(1, u64{1} << 46, 1), -control::efault);
    EXPECT_EQ(chunk(2 << 20, ModelCaller::base, 4096), -control::einval);
    EXPECT_EQ(chunk(1, ModelCaller::base, 1), 0);
}

TEST_F(LifeTest, ChunksComeInOrderAndWithoutGaps) {
    ASSERT_EQ(create(), 1);
    caller.memory = kernel;
    const auto chunk = [&](u64 total, u64 offset, u64 length) {
        return call(Operation::vm_load,
                    control::VmLoad{DomainId{1},
                                    control::Image::kernel,
                                    total,
                                    offset,
                                    ModelCaller::base + offset,
                                    length});
    };
    EXPECT_EQ(chunk(20'000, 1, 10), -control::einval);
    EXPECT_EQ(chunk(20'000, 0, 10'000), 0);
    EXPECT_EQ(chunk(20'000, 0, 10'000), -control::einval) << "twice";
    EXPECT_EQ(chunk(20'001, 10'000, 10'000), -control::einval) << "another total";
    EXPECT_EQ(chunk(20'000, 10'001, 9'999), -control::einval) << "a gap";
    EXPECT_EQ(on(Operation::vm_seal, 1), -control::einval) << "half a kernel";
    caller.memory.resize(15'000);
    EXPECT_EQ(chunk(20'000, 10'000, 10'000), -control::efault);
    caller.memory = kernel;
    EXPECT_EQ(chunk(20'000, 10'000, 10'000), 0) << "a refused chunk can come again";
    EXPECT_EQ(chunk(20'000, 10'000, 10'000), -control::einval) << "it was the last";
}

TEST_F(LifeTest, AnImageLargerThanItsDomainTakesNothing) {
    ASSERT_EQ(create(), 1);
    const u64 before = host.free_frames();
    caller.memory = kernel;
    for (const u64 total : {u64{33} << 20, ~u64{0}})
        EXPECT_EQ(call(Operation::vm_load,
                       control::VmLoad{
                           DomainId{1}, control::Image::kernel, total, 0, ModelCaller::base, 100}),
                  -control::einval);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, WhatCannotBeBuiltCanOnlyBeDestroyed) {
    const u64 before = host.free_frames();
    ASSERT_EQ(create(), 1);
    ASSERT_EQ(load(1, control::Image::kernel, pattern(5000, 1)), 0); // no ELF
    EXPECT_EQ(insist(Operation::vm_seal, 1), -control::einval);
    EXPECT_EQ(on(Operation::vm_seal, 1), -control::einval);
    EXPECT_EQ(on(Operation::vm_unpause, 1), -control::einval);
    EXPECT_EQ(insist(Operation::vm_destroy, 1), 0);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, PausingIsOnceAndOnlyOfWhatRuns) {
    ASSERT_EQ(start(), 1);
    EXPECT_EQ(on(Operation::vm_unpause, 1), -control::einval);
    EXPECT_EQ(on(Operation::vm_pause, 1), 0);
    EXPECT_EQ(state(1), control::VmState::paused);
    EXPECT_EQ(on(Operation::vm_pause, 1), -control::einval);
    EXPECT_EQ(on(Operation::vm_unpause, 1), 0);
    EXPECT_EQ(on(Operation::vm_unpause, 1), -control::einval) << "it would run while it may not";
    EXPECT_EQ(host.domain(DomainId{1}).paused, 0);
    // A domain of the manifest, too; but nobody pauses or destroys itself.
    host.add_manifest_domain(500, "vtpm");
    EXPECT_EQ(on(Operation::vm_pause, 500), 0);
    EXPECT_EQ(on(Operation::vm_pause, 500), -control::einval);
    EXPECT_EQ(on(Operation::vm_unpause, 500), 0);
    EXPECT_EQ(on(Operation::vm_unpause, 500), -control::einval);
    EXPECT_EQ(on(Operation::vm_pause, 0), -control::einval);
    EXPECT_EQ(on(Operation::vm_destroy, 0), -control::einval);
    EXPECT_EQ(on(Operation::vm_pause, 77), -control::esrch);
}

TEST_F(LifeTest, ADomainInUseIsDyingUntilItIsNot) {
    const u64 before = host.free_frames();
    ASSERT_EQ(start(), 1);
    host.in_use = true;
    EXPECT_EQ(on(Operation::vm_destroy, 1), -control::eagain);
    EXPECT_EQ(state(1), control::VmState::dying);
    EXPECT_EQ(on(Operation::vm_unpause, 1), -control::einval);
    EXPECT_EQ(on(Operation::vm_seal, 1), -control::einval);
    EXPECT_EQ(call(Operation::vm_memory, control::VmMemory{DomainId{1}, 16}), -control::esrch);
    EXPECT_EQ(create("web"), -control::eexist) << "its name is still in the list";
    host.in_use = false;
    EXPECT_EQ(on(Operation::vm_destroy, 1), 0);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, ImagesOfADomainThatWasNeverSealedGoWithIt) {
    const u64 before = host.free_frames();
    ASSERT_EQ(create(), 1);
    ASSERT_EQ(load(1, control::Image::kernel, kernel), 0);
    host.in_use = true;
    EXPECT_EQ(on(Operation::vm_destroy, 1), -control::eagain);
    EXPECT_LT(before - host.free_frames(), 8u) << "at once, not when it is gone";
    host.in_use = false;
    EXPECT_EQ(insist(Operation::vm_destroy, 1), 0);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, AStoppedDomainStaysAndSaysWhy) {
    ASSERT_EQ(start(), 1);
    host.domain(DomainId{1}).end = control::VmEnd::fault;
    const auto info = answer<control::VmInfo>(on(Operation::vm_info, 1));
    EXPECT_EQ(info.summary.state, control::VmState::stopped);
    EXPECT_EQ(info.stop.end, control::VmEnd::fault);
    EXPECT_EQ(info.stop.cause, "triple fault");
    EXPECT_EQ(insist(Operation::vm_destroy, 1), 0);
}

TEST_F(LifeTest, TheListIsWholeAndAscending) {
    for (int i = 0; i < 40; ++i)
        ASSERT_GT(create("vm" + std::to_string(i)), 0);
    std::vector<u16> ids;
    u16 first = 0;
    response.resize(300); // a few at a time
    for (;;) {
        const i64 size = call(Operation::vm_list, control::VmListRequest{DomainId{first}});
        ASSERT_GE(size, 0);
        if (size == 0)
            break;
        LittleReader reader{std::span{response}.first(static_cast<usize>(size))};
        while (reader.remaining() != 0) {
            const auto entry = control::decode_next<control::VmSummary>(reader);
            ASSERT_TRUE(entry.is_ok());
            ids.push_back(entry.value().domain.raw());
        }
        first = static_cast<u16>(ids.back() + 1);
    }
    ASSERT_EQ(ids.size(), 41u);
    for (u16 i = 0; i < 41; ++i)
        EXPECT_EQ(ids[i], i);
}

TEST_F(LifeTest, IdentifiersComeBackOnlyAfterAllOthers) {
    host.add_manifest_domain(3, "third");
    u16 last = 0;
    for (u32 i = 0; i < Life::first_reserved_id + 10u; ++i) {
        const i64 id = create();
        ASSERT_GT(id, 0);
        ASSERT_LT(id, Life::first_reserved_id);
        ASSERT_NE(id, 3) << "a domain of the manifest has it";
        if (id < last) {
            ASSERT_EQ(last, Life::first_reserved_id - 1);
        }
        last = static_cast<u16>(id);
        ASSERT_EQ(insist(Operation::vm_destroy, last), 0);
    }
}

TEST_F(LifeTest, AManifestDomainsIdentifierIsSpentToo) {
    host.add_manifest_domain(1, "first");
    host.in_use = true; // dying for a while
    EXPECT_EQ(on(Operation::vm_destroy, 1), -control::eagain);
    EXPECT_EQ(create("next"), 2);
    host.in_use = false;
    EXPECT_EQ(insist(Operation::vm_destroy, 1), 0);
    EXPECT_EQ(create("another"), 3);
}

TEST_F(LifeTest, ADomainThatCannotBeToldOfHidesNoOther) {
    host.add_manifest_domain(1, "db/1");
    ASSERT_EQ(create("after"), 2);
    const i64 size = call(Operation::vm_list, control::VmListRequest{DomainId{1}});
    ASSERT_GT(size, 0);
    const auto one =
        control::decode<control::VmSummary>(std::span{response}.first(static_cast<usize>(size)));
    ASSERT_TRUE(one.is_ok());
    EXPECT_EQ(one.value().domain, DomainId{2});
}

TEST_F(LifeTest, TheConsoleIsReadAndWrittenByPlace) {
    ASSERT_EQ(start(), 1);
    host.domain(DomainId{1}).said = "Linux version 6.1";
    const i64 size = call(Operation::console_read, control::ConsoleRead{DomainId{1}, 6});
    const auto text = answer<control::ConsoleText>(size);
    EXPECT_EQ(text.offset, 6u);
    EXPECT_EQ(std::string(text.bytes.begin(), text.bytes.end()), "version 6.1");
    const std::array<u8, 3> typed{'l', 's', '\n'};
    EXPECT_EQ(answer<control::ConsoleTaken>(
                  call(Operation::console_write, control::ConsoleWrite{DomainId{1}, typed}))
                  .count,
              3u);
    EXPECT_EQ(host.domain(DomainId{1}).typed, "ls\n");
    EXPECT_EQ(call(Operation::console_read, control::ConsoleRead{DomainId{9}, 0}), -control::esrch);
}

TEST_F(LifeTest, NothingIsDoneWhoseAnswerHasNoRoom) {
    const u64 before = host.free_frames();
    response.resize(1);
    EXPECT_EQ(create(), -control::enobufs);
    EXPECT_EQ(host.free_frames(), before);
}

TEST_F(LifeTest, TargetsEndAtTheMaximum) {
    ASSERT_EQ(start(), 1);
    EXPECT_EQ(call(Operation::vm_memory, control::VmMemory{DomainId{1}, 16}), 0);
    EXPECT_EQ(host.domain(DomainId{1}).limit, Bytes{16 << 20});
    EXPECT_EQ(answer<control::VmInfo>(on(Operation::vm_info, 1)).target_kib, 16u << 10);
    EXPECT_EQ(call(Operation::vm_memory, control::VmMemory{DomainId{1}, 65}), -control::einval);
    EXPECT_EQ(call(Operation::vm_schedule, control::VmSchedule{DomainId{1}, {9, 50, 10}}), 0);
    EXPECT_EQ(host.domain(DomainId{1}).schedule.weight, 9u);
}

TEST_F(LifeTest, GarbageIsRefusedAndChangesNothing) {
    const u64 before = host.free_frames();
    std::mt19937 random{7};
    for (int round = 0; round < 20'000; ++round) {
        std::vector<u8> request(random() % 80);
        for (u8& byte : request)
            byte = static_cast<u8>(random() % 4);
        (void)life.control(16 + random() % 14, caller, request, response);
    }
    for (u16 id = 1; id < 2000; ++id)
        (void)insist(Operation::vm_destroy, id);
    EXPECT_EQ(host.free_frames(), before);
    EXPECT_EQ(life.control(static_cast<u64>(Operation::host_memory), caller, {}, response), 16);
    EXPECT_EQ(answer<control::HostMemory>(16).free_frames, before);
    EXPECT_EQ(life.control(1000, caller, {}, response), -control::einval);
}

/// The machine has fewer and fewer free frames: whatever fails, destroying returns everything.
TEST(LifeSweep, EveryAllocationMayFail) {
    bool succeeded = false;
    bool failed = false;
    for (u64 frames = 0; frames < 64 && !succeeded; ++frames) {
        struct Sweep : LifeTest {
            explicit Sweep(u64 count) : LifeTest{count} {}
            void TestBody() override {}
            bool run() {
                const u64 before = host.free_frames();
                const bool started = start() > 0;
                EXPECT_TRUE(started || state_is_before_running());
                (void)insist(Operation::vm_destroy, 1);
                EXPECT_EQ(host.free_frames(), before);
                return started;
            }
            bool state_is_before_running() {
                const i64 size = on(Operation::vm_shutdown_reason, 1);
                return size == -control::esrch ||
                       answer<control::VmStop>(size).state == control::VmState::building;
            }
        };
        succeeded = Sweep{frames}.run();
        failed = failed || !succeeded;
    }
    EXPECT_TRUE(failed);
    EXPECT_TRUE(succeeded);
}

} // namespace
} // namespace ravelin::hv::life

// SPDX-License-Identifier: Apache-2.0
// Domain 0's channel against libtpms: what works, what is refused, and that nothing the domain does
// leaves anything in the TPM or stops the hypervisor's own quote.
#include "recording_console.hpp"
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/channel.hpp>

#include <gtest/gtest.h>
#include <random>
#include <support/tpm_commands.hpp>

namespace ravelin::hv::tpm::test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

using Fault = DirectTransport::Fault;
using wire::tpm::Handle;

class ChannelTest : public ::testing::Test {
  protected:
    ChannelTest() {
        // An AK nobody can authorise but through a policy session; the tests quote with it.
        EXPECT_TRUE(
            tpm.create_primary(wire::tpm::handle_endorsement, signing_template(), attestation_key)
                .is_ok());
        channel.set_attestation_key(attestation_key.handle);
    }

    ByteVector run(const ByteVector& bytes) {
        EXPECT_TRUE(channel.submit(bytes).is_ok());
        for (unsigned i = 0; i < 1000; ++i) {
            const auto progress = channel.poll();
            EXPECT_TRUE(progress.is_ok());
            if (progress.value() == Progress::complete)
                break;
        }
        std::array<u8, Transport::max_size> buffer{};
        const auto response = channel.take(buffer);
        EXPECT_TRUE(response.is_ok());
        return {response.value().begin(), response.value().end()};
    }
    u32 make(const ByteVector& bytes) {
        const auto response = run(bytes);
        EXPECT_EQ(code_of(response), 0u);
        return response.size() >= 14 ? word(response, 10) : 0;
    }
    /// How many objects and loaded sessions the TPM holds.
    usize held(u32 kind) {
        HandleList handles;
        EXPECT_TRUE(tpm.list_handles(Handle{kind}, handles).is_ok());
        return handles.size();
    }
    void expect_clean() {
        EXPECT_EQ(held(0x8000'0000), 1u);
        EXPECT_EQ(held(0x0200'0000), 0u);
    }
    bool hypervisor_can_quote() {
        if (!channel.settle().is_ok())
            return false;
        const auto quote = authorised(0x158,
                                      {attestation_key.handle.raw()},
                                      sized(ByteVector(32)) + big(0x10, 2) + big(1, 4) +
                                          big(0xb, 2) + big(3, 1) + big(0xff0300, 3));
        return code_of(software.execute(quote)) == 0;
    }

    SoftwareTpm software;
    DirectTransport transport{software};
    FakeClock clock;
    RecordingConsole console;
    Tpm tpm{transport, clock};
    Channel channel{tpm, console};
    Key attestation_key;
};

TEST_F(ChannelTest, PassesHarmlessCommands) {
    EXPECT_EQ(code_of(run(plain(0x17b, big(8, 2)))), 0u);
    EXPECT_EQ(code_of(run(plain(0x17a, big(5, 4) + big(0, 4) + big(1, 4)))), 0u);
    EXPECT_EQ(code_of(run(plain(0x181))), 0u);
    EXPECT_EQ(channel.counters().denied, 0u);
}

TEST_F(ChannelTest, ObjectsHaveVirtualHandlesAndTakeNoRoom) {
    const u32 first = make(create_primary(owner, storage_template()));
    const u32 second = make(create_primary(endorsement, endorsement_template()));
    EXPECT_EQ(first >> 16, virtual_object_base >> 16);
    EXPECT_NE(first, second);
    expect_clean();
    EXPECT_EQ(code_of(run(plain(0x173, big(first, 4)))), 0u);
    EXPECT_EQ(code_of(run(plain(0x173, big(second, 4)))), 0u);
    expect_clean();
    EXPECT_EQ(code_of(run(flush(first))), 0u);
    EXPECT_EQ(code_of(run(plain(0x173, big(first, 4)))), 0x8bu);
    // The slot is used again, its handle is another.
    EXPECT_NE(make(create_primary(owner, storage_template())), first);
}

TEST_F(ChannelTest, TheRealHandleOfAnObjectIsNotTheDomains) {
    make(create_primary(owner, storage_template()));
    for (u32 real = 0x8000'0000; real < 0x8000'0008; ++real)
        EXPECT_EQ(code_of(run(plain(0x173, big(real, 4)))), 0x8bu);
}

TEST_F(ChannelTest, SealAndUnsealUnderItsOwnStorageKey) {
    const u32 parent = make(create_primary(owner, storage_template()));
    const ByteVector sealed_public =
        big(8, 2) + big(0xb, 2) + big(0x0452, 4) + big(0, 2) + big(0x10, 2) + big(0, 2);
    const ByteVector secret{'s', 'e', 'c', 'r', 'e', 't'};
    const auto created = run(authorised(0x153,
                                        {parent},
                                        sized(big(0, 2) + sized(secret)) + sized(sealed_public) +
                                            big(0, 2) + big(0, 4)));
    ASSERT_EQ(code_of(created), 0u);
    usize at = 14;
    const usize private_size = created[at] * 256u + created[at + 1];
    const auto begin = created.begin();
    const auto offset = [&](usize n) { return begin + static_cast<std::ptrdiff_t>(n); };
    const ByteVector private_area{offset(at), offset(at + 2 + private_size)};
    at += 2 + private_size;
    const usize public_size = created[at] * 256u + created[at + 1];
    const ByteVector public_area{offset(at), offset(at + 2 + public_size)};
    const u32 object = make(authorised(0x157, {parent}, private_area + public_area));
    expect_clean();
    const auto unsealed = run(authorised(0x15e, {object}, {}));
    ASSERT_EQ(code_of(unsealed), 0u);
    EXPECT_EQ(ByteVector(unsealed.begin() + 16, unsealed.begin() + 22), secret);
    expect_clean();
}

TEST_F(ChannelTest, EndorsementPolicySessionsWork) {
    const u32 session = make(start_session(1));
    expect_clean();
    const auto secret =
        authorised(0x151, {endorsement, session}, big(0, 2) + big(0, 2) + big(0, 2) + big(0, 4));
    EXPECT_EQ(code_of(run(secret)), 0u);
    const auto digest = run(plain(0x189, big(session, 4)));
    ASSERT_EQ(code_of(digest), 0u);
    EXPECT_EQ(digest[12], 0x83); // the EK profile's PolicyA
    EXPECT_EQ(digest[13], 0x71);
    expect_clean();
    EXPECT_EQ(code_of(run(flush(session))), 0u);
    EXPECT_EQ(code_of(run(plain(0x189, big(session, 4)))), 0x8bu);
    EXPECT_EQ(held(0x0300'0000), 0u);
}

TEST_F(ChannelTest, TheAttestationKeyCanBeReadAndNotUsed) {
    const auto read = run(plain(0x173, big(virtual_attestation_key.raw(), 4)));
    ASSERT_EQ(code_of(read), 0u);
    EXPECT_EQ(word(read, 12), 0x0023'000bu);
    const u32 ak = virtual_attestation_key.raw();
    EXPECT_EQ(code_of(run(authorised(0x158, {ak}, big(0, 2) + big(0x10, 2) + big(0, 4)))), 0x143u);
    EXPECT_EQ(code_of(run(authorised(0x15d, {ak}, sized(ByteVector(32))))), 0x8bu);
    EXPECT_EQ(code_of(run(flush(ak))), 0x8bu);
    EXPECT_EQ(code_of(run(authorised(0x153, {ak}, big(0, 2)))), 0x8bu);
    EXPECT_TRUE(hypervisor_can_quote());
}

TEST_F(ChannelTest, RefusesWhatCouldHarm) {
    const u32 refused[] = {0x11f, 0x120, 0x121, 0x122, 0x124, 0x125, 0x126, 0x127,      0x128,
                           0x129, 0x12a, 0x12b, 0x12c, 0x12d, 0x12e, 0x12f, 0x130,      0x132,
                           0x134, 0x135, 0x136, 0x137, 0x138, 0x139, 0x13a, 0x13b,      0x13c,
                           0x13d, 0x141, 0x144, 0x145, 0x148, 0x14a, 0x14c, 0x14d,      0x158,
                           0x161, 0x162, 0x182, 0x184, 0x185, 0x191, 0x197, 0x2000'0000};
    const usize before = transport.commands.size();
    for (const u32 code : refused) {
        EXPECT_EQ(code_of(run(plain(code))), 0x143u) << std::hex << code;
        EXPECT_EQ(code_of(run(authorised(code, {0}, {}))), 0x143u) << std::hex << code;
    }
    EXPECT_EQ(transport.commands.size(), before);
    EXPECT_EQ(channel.counters().denied, 2 * std::size(refused));
    ASSERT_FALSE(console.lines.empty());
    EXPECT_EQ(console.lines[2],
              "tpm: domain 0 refused: TPM2_EvictControl (0x120): command not allowed, refusal 3");
    // A domain cannot own the console.
    EXPECT_LE(console.lines.size(), 40u);
}

TEST_F(ChannelTest, NoRestrictedSigningKeyInAnyWay) {
    EXPECT_EQ(code_of(run(create_primary(endorsement, signing_template()))), 0x82u);
    EXPECT_EQ(code_of(run(create_primary(owner, signing_template()))), 0x82u);
    EXPECT_EQ(code_of(run(create_primary(0x4000'0007, signing_template()))), 0x82u);
    EXPECT_EQ(code_of(run(create_primary(0x4000'000c, storage_template()))), 0x8bu);
    EXPECT_EQ(code_of(run(create_primary(0x4000'000a, storage_template()))), 0x8bu);
    const u32 parent = make(create_primary(owner, storage_template()));
    const auto child =
        authorised(0x153, {parent}, big(4, 2) + big(0, 4) + sized(signing_template()) + big(0, 6));
    EXPECT_EQ(code_of(run(child)), 0x82u);
}

TEST_F(ChannelTest, SessionsRunOutForTheDomainAlone) {
    unsigned made = 0;
    u32 code = 0;
    for (; made < 100; ++made) {
        code = code_of(run(start_session(0)));
        if (code != 0)
            break;
    }
    EXPECT_EQ(made, VirtualHandles::max_sessions);
    EXPECT_EQ(code, 0x905u);
    expect_clean();
    EXPECT_TRUE(tpm.start_policy_session().is_ok());
    EXPECT_TRUE(hypervisor_can_quote());
}

TEST_F(ChannelTest, ObjectsRunOutForTheDomainAlone) {
    unsigned made = 0;
    u32 code = 0;
    for (; made < 100; ++made) {
        code = code_of(run(create_primary(owner, storage_template())));
        if (code != 0)
            break;
    }
    EXPECT_EQ(made, VirtualHandles::max_objects);
    EXPECT_EQ(code, 0x902u);
    expect_clean();
    EXPECT_TRUE(hypervisor_can_quote());
}

TEST_F(ChannelTest, AtMostTwoSessionsAtOnce) {
    const u32 a = make(start_session(0));
    const u32 b = make(start_session(0));
    const u32 c = make(start_session(0));
    const auto with = [](const ByteVector& sessions) {
        return authorised(0x17b, {}, big(8, 2), sessions);
    };
    const u8 audit = 0x81;
    EXPECT_NE(code_of(run(with(authorisation(a, 1) + authorisation(b, audit)))), 0x903u);
    EXPECT_EQ(
        code_of(run(with(authorisation(a, 1) + authorisation(b, 1) + authorisation(c, audit)))),
        0x903u);
    expect_clean();
}

TEST_F(ChannelTest, ASessionThatItsCommandEndsIsGone) {
    const u32 session = make(start_session(1));
    // PolicyPassword, then the session authorises ReadPublic's parent… any command ends it when
    // continueSession is clear; here it fails its policy, and a failed command keeps it.
    const u32 parent = make(create_primary(owner, storage_template()));
    (void)run(authorised(0x15e, {parent}, {}, authorisation(session, 0)));
    expect_clean();
    const u32 code = code_of(run(plain(0x189, big(session, 4))));
    EXPECT_TRUE(code == 0 || code == 0x8b);
}

TEST_F(ChannelTest, HandlesAreListedFromTheTable) {
    const u32 object = make(create_primary(owner, storage_template()));
    const u32 session = make(start_session(0));
    const auto list = [&](u32 first) {
        return run(plain(0x17a, big(1, 4) + big(first, 4) + big(64, 4)));
    };
    const auto objects = list(0x8000'0000);
    ASSERT_EQ(objects.size(), 23u);
    EXPECT_EQ(word(objects, 19), object);
    const auto sessions = list(0x0200'0000);
    ASSERT_EQ(sessions.size(), 23u);
    EXPECT_EQ(word(sessions, 19), session);
    // What is not virtual is the TPM's own answer.
    EXPECT_EQ(code_of(list(0x4000'0000)), 0u);
    EXPECT_GT(list(0x4000'0000).size(), 23u);
}

TEST_F(ChannelTest, OnlyCertificatesOfTheNv) {
    EXPECT_EQ(code_of(run(plain(0x169, big(0x01c0'0001, 4)))), 0x8bu);
    EXPECT_EQ(code_of(run(plain(0x169, big(0x0180'0001, 4)))), 0x8bu);
    // Allowed, and the TPM itself says that there is none.
    EXPECT_EQ(code_of(run(plain(0x169, big(0x01c0'0002, 4)))), 0x18bu);
    EXPECT_EQ(code_of(run(authorised(0x14e, {owner, 0x0180'0001}, big(8, 2) + big(0, 2)))), 0x8bu);
    EXPECT_EQ(code_of(run(authorised(0x14e, {0x4000'000c, 0x01c0'0002}, big(8, 2) + big(0, 2)))),
              0x8bu);
}

TEST_F(ChannelTest, SubmitPollTakeInOrder) {
    std::array<u8, 64> buffer{};
    EXPECT_EQ(channel.poll().error(), ChannelError::idle);
    EXPECT_EQ(channel.take(buffer).error(), ChannelError::idle);
    EXPECT_EQ(channel.cancel().error(), ChannelError::idle);
    transport.latency = 3;
    ASSERT_TRUE(channel.submit(plain(0x17b, big(8, 2))).is_ok());
    EXPECT_EQ(channel.submit(plain(0x17b, big(8, 2))).error(), ChannelError::busy);
    EXPECT_EQ(channel.poll().value(), Progress::executing);
    EXPECT_EQ(channel.take(buffer).error(), ChannelError::busy);
    EXPECT_TRUE(channel.cancel().is_ok());
    EXPECT_TRUE(hypervisor_can_quote()); // waits for the domain's command, keeps its response
    EXPECT_EQ(channel.poll().value(), Progress::complete);
    EXPECT_EQ(channel.take(std::span{buffer}.first(4)).error(), ChannelError::too_large);
    EXPECT_TRUE(channel.take(buffer).is_ok());
}

TEST_F(ChannelTest, MalformedCommandsAreAnswered) {
    EXPECT_EQ(code_of(run({})), 0x142u);
    EXPECT_EQ(code_of(run({0x80})), 0x142u);
    auto lying = plain(0x17b, big(8, 2));
    lying[5] = 99;
    EXPECT_EQ(code_of(run(lying)), 0x142u);
    EXPECT_EQ(channel.submit(ByteVector(5000)).error(), ChannelError::too_large);
}

/// Fails the Nth response during a domain's work, for each N: afterwards nothing has leaked, and
/// the hypervisor quotes.
TEST_F(ChannelTest, FaultSweepLeavesNothingBehind) {
    for (const Fault fault :
         {Fault::transport, Fault::response_code, Fault::truncated, Fault::garbage})
        for (unsigned nth = 0;; ++nth) {
            const unsigned before = transport.responses();
            transport.fail(nth, fault, 0x101);
            const u32 object = word(run(create_primary(owner, storage_template())) + big(0, 4), 10);
            const u32 session = word(run(start_session(0)) + big(0, 4), 10);
            (void)run(plain(0x173, big(object, 4)));
            (void)run(authorised(0x17b, {}, big(8, 2), authorisation(session, 0x81)));
            (void)run(flush(session));
            (void)run(flush(object));
            const bool reached = transport.responses() - before > nth;
            transport.fail(0, Fault::none);
            SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at " + std::to_string(nth));
            EXPECT_TRUE(hypervisor_can_quote());
            expect_clean();
            for (const auto& left : channel.handles().objects())
                if (left.used)
                    (void)run(flush(channel.handles().handle_of(left).raw()));
            for (const auto& left : channel.handles().sessions())
                if (left.used)
                    (void)run(flush(left.handle.raw()));
            EXPECT_EQ(held(0x0300'0000), 0u) << static_cast<int>(fault) << " at " << nth;
            if (!reached)
                break;
            ASSERT_LT(nth, 200u);
        }
}

/// Thousands of mutated commands: whatever reached the TPM on the domain's behalf names no handle
/// but its own, and PCRs, the attestation key and the hypervisor's quote are as before.
TEST_F(ChannelTest, RandomCommandsReachNothingForeign) {
    std::mt19937 random{20260101};
    const auto pick = [&](usize n) { return static_cast<usize>(random() % n); };
    PcrValues pcrs_before;
    ASSERT_TRUE(tpm.read(PcrSet{0xff'ffff}, pcrs_before).is_ok());
    const u32 object = make(create_primary(owner, storage_template()));
    const u32 session = make(start_session(1));
    const ByteVector seeds[] = {
        plain(0x173, big(object, 4)),
        plain(0x189, big(session, 4)),
        plain(0x17a, big(1, 4) + big(0x8000'0000, 4) + big(64, 4)),
        create_primary(endorsement, endorsement_template()),
        create_primary(owner, storage_template()),
        authorised(0x151, {endorsement, session}, big(0, 6) + big(0, 4)),
        authorised(0x182, {12}, big(1, 4) + big(0xb, 2) + ByteVector(32)),
        authorised(0x13d, {16}, {}),
        authorised(0x158,
                   {virtual_attestation_key.raw()},
                   big(0, 2) + big(0x10, 2) + big(1, 4) + big(0xb, 2) + big(3, 1) + big(7, 3)),
        authorised(0x126, {0x4000'000a}, {}),
        authorised(0x120, {owner, object}, big(0x8101'0001, 4)),
        authorised(0x122, {owner, 0x0180'0001}, {}),
        start_session(1),
        flush(0x8000'0000),
        plain(0x162, big(0x8000'0000, 4)),
        plain(0x145, big(0, 2)),
    };
    for (unsigned round = 0; round < 6000; ++round) {
        ByteVector bytes = seeds[pick(std::size(seeds))];
        for (usize flips = pick(4); flips > 0; --flips) {
            const usize at = pick(bytes.size());
            bytes[at] = pick(2) == 0 ? static_cast<u8>(random()) : static_cast<u8>(bytes[at] ^ 1);
        }
        if (pick(8) == 0) {
            bytes.resize(pick(bytes.size() + 1));
            if (bytes.size() > 5)
                bytes[4] = static_cast<u8>(bytes.size() >> 8),
                bytes[5] = static_cast<u8>(bytes.size());
        }
        transport.commands.clear();
        (void)run(bytes);
        for (const auto& sent : transport.commands) {
            const u32 code = word(sent, 6);
            for (const u32 never : {0x158u, 0x182u, 0x13du, 0x126u, 0x120u, 0x122u, 0x145u, 0x144u})
                ASSERT_NE(code, never);
        }
    }
    EXPECT_GT(channel.counters().permitted, 1000u);
    EXPECT_GT(channel.counters().denied, 1000u);
    PcrValues pcrs_after;
    ASSERT_TRUE(tpm.read(PcrSet{0xff'ffff}, pcrs_after).is_ok());
    EXPECT_EQ(pcrs_before.values, pcrs_after.values);
    EXPECT_TRUE(hypervisor_can_quote());
    expect_clean();
}

} // namespace
} // namespace ravelin::hv::tpm::test

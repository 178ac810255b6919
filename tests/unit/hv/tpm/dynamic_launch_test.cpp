// SPDX-License-Identifier: Apache-2.0
// A launch through TXT as the TPM sees it: a D-RTM, SINIT's and tboot's extends with their log,
// then Ravelin at locality 2. And everything that makes it none.
#include "recording_console.hpp"
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/service.hpp>
#include <wire/attestation_key.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <support/tpm_commands.hpp>

namespace ravelin::hv::tpm::test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

using wire::EventType;
using wire::control::Operation;

ByteVector bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

class DynamicLaunchTest : public ::testing::Test {
  protected:
    DynamicLaunchTest() { relaunch(); }

    /// SINIT writes every bank, tboot SHA-256 only: as seen in a real log.
    void relaunch() {
        software.launch_dynamically(bytes_of("SINIT"));
        banks = tpm.active_banks().value();
        writer = wire::LogWriter::create(buffer, banks.known.span()).value();
        log_event(17, 0x402, "SINIT");
        EXPECT_TRUE(transport.use(Locality{2}).is_ok());
        measure(18, 0x410, "SINIT's key");
        measure_sha256(17, 0x501, "the policy");
        measure_sha256(17, 0x501, "ravelin.elf32");
        EXPECT_TRUE(transport.use(Locality{0}).is_ok());
    }
    void log_event(u32 pcr, u32 type, std::string_view content) {
        MultiHash hash{banks};
        hash.update(bytes_of(content));
        append(pcr, type, hash.finish().digests);
    }
    void append(u32 pcr, u32 type, const Digests& digests) {
        std::vector<wire::LogDigest> logged;
        for (const auto& digest : digests)
            logged.push_back({digest.algorithm, digest.span()});
        ASSERT_TRUE(
            writer->append(PcrIndex{pcr}, static_cast<EventType>(type), logged, {}).is_ok());
    }
    void measure(u32 pcr, u32 type, std::string_view content) {
        MultiHash hash{banks};
        hash.update(bytes_of(content));
        ASSERT_TRUE(tpm.extend(PcrIndex{pcr}, hash.finish().digests).is_ok());
        log_event(pcr, type, content);
    }
    void measure_sha256(u32 pcr, u32 type, std::string_view content) {
        Banks one;
        ASSERT_TRUE(one.known.push_back(wire::tpm::Algorithm::sha256));
        MultiHash hash{one};
        hash.update(bytes_of(content));
        const auto digests = hash.finish().digests;
        ASSERT_TRUE(tpm.extend(PcrIndex{pcr}, digests).is_ok());
        append(pcr, type, digests);
    }
    DynamicLaunch launch() { return {.wanted = true, .problem = {}, .log = writer->bytes()}; }
    void start(const DynamicLaunch& dynamic) {
        service = std::make_unique<Service>(transport, clock, console);
        service->start({}, "ravelin test", dynamic);
    }
    void measure_all() {
        ASSERT_FALSE(service->chain().measure(Measured::manifest, "manifest", bytes_of("m")));
        ASSERT_FALSE(service->chain().measure(Measured::kernel, "dom0", bytes_of("k")));
        ASSERT_FALSE(service->chain().seal());
    }
    i64 statement() {
        return service->handle(static_cast<u64>(Operation::statement),
                               {DomainId{0}, "system"},
                               ByteVector(96, 0x5a),
                               response);
    }
    PcrValues pcrs() {
        PcrValues values;
        EXPECT_TRUE(tpm.read(PcrSet{0xff'ffff}, values).is_ok());
        return values;
    }
    /// UNMEASURED, said, PCR 17-19 no longer what the log says, and evidence says so too.
    void expect_refused(Unmeasured cause, std::string_view words) {
        EXPECT_EQ(service->verdict().launch(), wire::Launch::unmeasured);
        EXPECT_EQ(service->verdict().cause(), cause);
        EXPECT_EQ(service->verdict().reason(),
                  "asked for DRTM, launched without: " + std::string{words});
        const auto said = [&](const auto& line) {
            return line.find("UNMEASURED: asked for DRTM") != std::string::npos;
        };
        EXPECT_TRUE(std::any_of(console.lines.begin(), console.lines.end(), said));
        const i64 size = statement();
        ASSERT_GT(size, 0);
        const auto evidence =
            wire::decode_evidence(std::span{response}.first(static_cast<usize>(size))).value();
        EXPECT_EQ(wire::decode_statement(evidence.statement).value().launch,
                  wire::Launch::unmeasured);
        EXPECT_NE(evidence.pcrs.values[12], Sha256Digest{});
    }

    SoftwareTpm software;
    DirectTransport transport{software};
    FakeClock clock;
    RecordingConsole console;
    Tpm tpm{transport, clock};
    Banks banks;
    std::vector<u8> buffer = std::vector<u8>(32768);
    std::vector<std::pair<int, u8>> localities;
    std::optional<wire::LogWriter> writer;
    std::unique_ptr<Service> service;
    std::vector<u8> response = std::vector<u8>(4096);
};

TEST_F(DynamicLaunchTest, IsDrtmAndGoesOnInTheSameLog) {
    start(launch());
    ASSERT_EQ(service->verdict().launch(), wire::Launch::drtm) << service->verdict().reason();
    measure_all();
    const auto log = service->chain().log();
    EXPECT_TRUE(std::ranges::equal(log.first(writer->bytes().size()), writer->bytes()));
    const auto replayed =
        evidence::replay(log, evidence::dynamic_launch_pcrs(), wire::LogDigests::some);
    ASSERT_TRUE(replayed.is_ok());
    const PcrValues now = pcrs();
    for (const u32 pcr : {17u, 18u, 19u})
        EXPECT_EQ(replayed.value().values[pcr], now.values[pcr]) << pcr;
    EXPECT_EQ(replayed.value().extended, 7u << 17);
    EXPECT_EQ(now.values[12], Sha256Digest{});
    // A log that may leave digests out is none under the strict reading.
    EXPECT_FALSE(evidence::replay(log, evidence::dynamic_launch_pcrs()).is_ok());
}

TEST_F(DynamicLaunchTest, TheQuoteIsOfAkDOverTheDynamicRegisters) {
    start(launch());
    measure_all();
    const i64 size = statement();
    ASSERT_GT(size, 0);
    const auto evidence =
        wire::decode_evidence(std::span{response}.first(static_cast<usize>(size))).value();
    EXPECT_EQ(evidence.pcrs.set, quoted_dynamic_pcrs.raw());
    EXPECT_EQ(evidence.pcrs.values[19], pcrs().values[19]);
    EXPECT_EQ(wire::decode_statement(evidence.statement).value().launch, wire::Launch::drtm);
    // Another locality cannot use the key, whatever session it makes.
    transport.commands.clear();
    Attestor attestor{tpm};
    ASSERT_TRUE(transport.use(Locality{2}).is_ok());
    ASSERT_TRUE(attestor.make_key(wire::Launch::drtm).is_ok());
    EXPECT_TRUE(wire::attestation_key::ak_d.matches(attestor.key().public_area.span()));
    ASSERT_TRUE(attestor.add(wire::Statement{}));
    for (const u8 locality : {u8{0}, u8{1}, u8{3}}) {
        ASSERT_TRUE(transport.use(Locality{locality}).is_ok());
        const auto closed = attestor.close();
        ASSERT_FALSE(closed.is_ok()) << unsigned{locality};
        EXPECT_EQ(closed.error().kind, TpmError::Kind::refused);
    }
    ASSERT_TRUE(transport.use(Locality{2}).is_ok());
    EXPECT_TRUE(attestor.close().is_ok());
}

TEST_F(DynamicLaunchTest, TheDomainsCommandsGoAtLocality0) {
    TisModel model{[&](auto command, u8 locality) {
        localities.emplace_back(command[9] | command[8] << 8, locality);
        return software.execute(command, locality);
    }};
    service = std::make_unique<Service>(model, clock, console);
    service->start({}, "ravelin test", launch());
    ASSERT_EQ(service->verdict().launch(), wire::Launch::drtm) << service->verdict().reason();
    measure_all();
    localities.clear();
    const Submitter domain0{DomainId{0}, "system"};
    EXPECT_EQ(service->handle(1, domain0, plain(0x17b, big(8, 2)), response), 0);
    i64 size = -wire::control::eagain;
    while (size == -wire::control::eagain)
        size = service->handle(2, domain0, {}, response);
    EXPECT_EQ(size, 20);
    EXPECT_EQ(localities, (std::vector<std::pair<int, u8>>{{0x17b, u8{0}}}));
    EXPECT_EQ(model.holder, 2);
    EXPECT_GT(statement(), 0);
    for (const auto& [code, locality] : localities)
        EXPECT_EQ(locality, code == 0x17b ? 0 : 2) << code;
}

TEST_F(DynamicLaunchTest, WhatTbootOrTheRegistersDeny) {
    DynamicLaunch denied = launch();
    denied.problem = Text{"TXT.STS says that no GETSEC[SENTER] was done"};
    start(denied);
    expect_refused(Unmeasured::no_dynamic_launch, denied.problem->view());
}

TEST_F(DynamicLaunchTest, ATpmThatSawNoLaunch) {
    software.reset();
    start(launch());
    expect_refused(Unmeasured::dynamic_pcrs, "the TPM saw no dynamic launch: all ones in PCR 17");
}

TEST_F(DynamicLaunchTest, ALogThatTellsAnotherStory) {
    log_event(17, 0x501, "a module that was not measured");
    start(launch());
    expect_refused(Unmeasured::log_mismatch, "SINIT's and tboot's log does not replay to PCR 17");
    EXPECT_NE(pcrs().values[19], Sha256Digest{}); // capped
    relaunch();
    DynamicLaunch cut = launch();
    cut.log = cut.log.first(cut.log.size() - 1);
    start(cut);
    EXPECT_EQ(service->verdict().cause(), Unmeasured::log_malformed);
    relaunch();
    const ByteVector endless(Service::largest_earlier_log + 1);
    start({.wanted = true, .problem = {}, .log = endless});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::no_dynamic_launch);
}

TEST_F(DynamicLaunchTest, Pcr19ThatSomebodyElseExtended) {
    ASSERT_TRUE(transport.use(Locality{2}).is_ok());
    measure_sha256(19, 0x501, "a module, by tboot's legacy mapping");
    ASSERT_TRUE(transport.use(Locality{0}).is_ok());
    start(launch());
    expect_refused(Unmeasured::dynamic_pcrs, "PCR 19 was extended before Ravelin");
}

TEST_F(DynamicLaunchTest, AClosedLocality) {
    transport.closed = 1u << 2;
    start(launch());
    EXPECT_EQ(service->verdict().cause(), Unmeasured::no_dynamic_launch);
    EXPECT_NE(service->verdict().reason().find("locality 2 is closed"), std::string_view::npos);
    EXPECT_GT(statement(), 0); // AK-S, at locality 0
}

TEST_F(DynamicLaunchTest, AFailedMeasurementCapsAllThree) {
    start(launch());
    const PcrValues before = pcrs();
    transport.fail(0, DirectTransport::Fault::response_code, 0x101);
    auto failure = service->chain().measure(Measured::kernel, "dom0", bytes_of("k"));
    ASSERT_TRUE(failure);
    std::move(*failure).run_unmeasured(service->verdict());
    EXPECT_EQ(service->verdict().launch(), wire::Launch::unmeasured);
    const PcrValues now = pcrs();
    for (const u32 pcr : {17u, 18u, 19u})
        EXPECT_NE(now.values[pcr], before.values[pcr]) << pcr;
}

TEST_F(DynamicLaunchTest, TheEndCapsAllThree) {
    start(launch());
    measure_all();
    const PcrValues before = pcrs();
    service->leave();
    const PcrValues now = pcrs();
    for (const u32 pcr : {17u, 18u, 19u})
        EXPECT_NE(now.values[pcr], before.values[pcr]) << pcr;
    // Without a dynamic launch there is nothing to leave.
    start({});
    service->leave();
    const PcrValues after = pcrs();
    for (const u32 pcr : {17u, 18u, 19u})
        EXPECT_EQ(after.values[pcr], now.values[pcr]) << pcr;
}

TEST_F(DynamicLaunchTest, TheEndInterruptsWhateverTheTpmDid) {
    TisModel model{[&](auto command, u8 locality) { return software.execute(command, locality); }};
    service = std::make_unique<Service>(model, clock, console);
    service->start({}, "ravelin test", launch());
    measure_all();
    const auto before = pcrs().values[19];
    EXPECT_EQ(service->handle(1, {DomainId{0}, ""}, plain(0x17b, big(8, 2)), response), 0);
    service->leave();
    EXPECT_NE(pcrs().values[19], before);
    EXPECT_FALSE(model.holder);
}

} // namespace
} // namespace ravelin::hv::tpm::test

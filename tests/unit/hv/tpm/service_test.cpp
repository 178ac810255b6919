// SPDX-License-Identifier: Apache-2.0
// The service as a whole against libtpms: verdicts, the measured chain, quotes; and the stock
// tools' opinion of its log and of its quote.
#include "recording_console.hpp"
#include "software_tpm.hpp"
#include "tis_model.hpp"

#include <hv/tpm/service.hpp>
#include <wire/attestation_key.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <support/stock_tools.hpp>
#include <support/tpm_commands.hpp>

namespace ravelin::hv::tpm::test {
namespace {

using namespace ravelin::test; // NOLINT(google-build-using-namespace): the command builders

using Fault = DirectTransport::Fault;
using wire::EventType;
using wire::control::Operation;
using wire::tpm::Algorithm;

ByteVector text_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

/// A firmware that measures: extends the TPM and logs it, in the active banks.
class Firmware {
  public:
    explicit Firmware(Tpm& tpm) : tpm_{tpm}, banks_{tpm.active_banks().value()} {}

    void measure(u32 pcr, EventType type, std::string_view data, std::string_view content) {
        MultiHash hash{banks_};
        hash.update(text_bytes(content));
        const auto hashes = hash.finish();
        ASSERT_TRUE(tpm_.extend(PcrIndex{pcr}, hashes.digests).is_ok());
        std::vector<wire::LogDigest> digests;
        for (const auto& digest : hashes.digests)
            digests.push_back({digest.algorithm, digest.span()});
        ASSERT_TRUE(log_.append(PcrIndex{pcr}, type, digests, text_bytes(data)).is_ok());
    }
    /// What OVMF and GRUB do, in small.
    void boot_ravelin() {
        measure(0, EventType::s_crtm_version, "1", "1");
        for (u32 pcr = 0; pcr < 8; ++pcr)
            measure(pcr, EventType::separator, std::string_view{"\0\0\0\0", 4}, {"\0\0\0\0", 4});
        measure(8, EventType::ipl, "grub_cmd: multiboot2 /ravelin.elf32", "cmd");
        measure(9, EventType::ipl, "/ravelin.elf32", "the hypervisor's bytes");
    }
    [[nodiscard]] std::span<const u8> log() const { return log_.bytes(); }

  private:
    Tpm& tpm_;
    Banks banks_;
    std::vector<u8> buffer_ = std::vector<u8>(16384);
    wire::LogWriter log_ = wire::LogWriter::create(buffer_, banks_.known.span()).value();
};

class ServiceTest : public ::testing::Test {
  protected:
    void measure_all() {
        const auto measure = [&](Measured what, std::string_view name, std::string_view content) {
            auto failure = service->chain().measure(what, name, text_bytes(content));
            if (failure)
                std::move(*failure).run_unmeasured(service->verdict());
        };
        measure(Measured::manifest, "manifest", "the manifest");
        measure(Measured::kernel, "dom0", "the kernel");
        measure(Measured::ramdisk, "dom0", "the ramdisk");
        measure(Measured::command_line, "dom0", "console=hvc0");
        measure(Measured::configuration, "dom0", "the record");
        auto failure = service->chain().seal();
        if (failure)
            std::move(*failure).run_unmeasured(service->verdict());
    }
    void start(const FirmwareLog& log) {
        service = std::make_unique<Service>(transport, clock, console);
        service->start(log, "ravelin test");
    }
    void start_measured() {
        firmware.boot_ravelin();
        start({.bytes = firmware.log()});
        measure_all();
    }
    i64 statement() {
        ByteVector request(96, 0x5a);
        return service->handle(
            static_cast<u64>(Operation::statement), {DomainId{0}, "system"}, request, response);
    }
    bool printed(std::string_view text) const {
        return std::any_of(console.lines.begin(), console.lines.end(), [&](const auto& line) {
            return line.find(text) != std::string::npos;
        });
    }
    PcrValues pcrs() {
        PcrValues values;
        EXPECT_TRUE(tpm.read(PcrSet{0xff'ffff}, values).is_ok());
        return values;
    }

    SoftwareTpm software;
    DirectTransport transport{software};
    FakeClock clock;
    RecordingConsole console;
    Tpm tpm{transport, clock};
    Firmware firmware{tpm};
    std::unique_ptr<Service> service;
    std::vector<u8> response = std::vector<u8>(4096);
};

TEST_F(ServiceTest, AMeasuredLaunchIsSrtm) {
    start_measured();
    EXPECT_EQ(service->verdict().launch(), wire::Launch::srtm) << service->verdict().reason();
    EXPECT_TRUE(printed("launch: SRTM"));
    EXPECT_FALSE(printed("UNMEASURED"));
    const auto replayed = evidence::replay(service->chain().log(), evidence::initial_pcrs());
    ASSERT_TRUE(replayed.is_ok());
    EXPECT_EQ(replayed.value().values[12], pcrs().values[12]);
    EXPECT_EQ(replayed.value().events, 6u);
    EXPECT_EQ(service->chain().manifest_digest(),
              crypto::hash<crypto::Sha256>(text_bytes("the manifest")));
}

TEST_F(ServiceTest, NoLogIsUnmeasuredAndCapped) {
    start({});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::no_log);
    EXPECT_TRUE(printed("UNMEASURED: the loader handed over no event log"));
    measure_all();
    const auto capped = pcrs().values[12];
    const auto replayed = evidence::replay(service->chain().log(), evidence::initial_pcrs());
    EXPECT_EQ(replayed.value().values[12], capped);
    EXPECT_EQ(replayed.value().events, 7u);
    // The statement says so too.
    const i64 size = statement();
    ASSERT_GT(size, 0);
    const auto evidence =
        wire::decode_evidence(std::span{response}.first(static_cast<usize>(size)));
    ASSERT_TRUE(evidence.is_ok());
    EXPECT_EQ(wire::decode_statement(evidence.value().statement).value().launch,
              wire::Launch::unmeasured);
}

TEST_F(ServiceTest, EveryFlawOfTheFirmwareLogIsNamed) {
    firmware.boot_ravelin();
    start({.bytes = firmware.log(), .truncated = true});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::log_truncated);
    start({.bytes = firmware.log().first(firmware.log().size() - 1)});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::log_malformed);
    std::vector<u8> changed{firmware.log().begin(), firmware.log().end()};
    const auto digest = crypto::hash<crypto::Sha256>(text_bytes("the hypervisor's bytes"));
    const auto found = std::search(changed.begin(), changed.end(), digest.begin(), digest.end());
    ASSERT_NE(found, changed.end());
    *found ^= 1; // in PCR 9
    start({.bytes = changed});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::log_mismatch);
    EXPECT_EQ(service->verdict().reason(), "the firmware's log does not replay to PCR 9");
    EXPECT_TRUE(printed("UNMEASURED: the firmware's log does not replay to PCR 9"));
}

TEST_F(ServiceTest, ALoaderThatMeasuredSomethingElseIsNotEnough) {
    firmware.measure(9, EventType::ipl, "/vmlinuz", "linux");
    firmware.measure(8, EventType::ipl, "grub_cmd: multiboot2 /ravelin.elf32", "cmd");
    start({.bytes = firmware.log()});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::not_in_log);
}

TEST_F(ServiceTest, ATpmTheFirmwareDidNotStartMeasuredNothing) {
    software.reset(SoftwareTpm::Started::no);
    start({.bytes = firmware.log()});
    EXPECT_EQ(service->verdict().cause(), Unmeasured::firmware_silent);
}

TEST_F(ServiceTest, NoTpmIsUnmeasuredAndStillLogs) {
    TisModel nobody{[](auto, u8) { return ByteVector{}; }};
    nobody.fail_at(0, TisModel::Fault::stuck_ones);
    service = std::make_unique<Service>(nobody, clock, console);
    service->start({}, "ravelin test");
    EXPECT_EQ(service->verdict().cause(), Unmeasured::no_tpm);
    EXPECT_TRUE(printed("UNMEASURED: no TPM 2.0"));
    measure_all();
    EXPECT_EQ(evidence::replay(service->chain().log(), evidence::initial_pcrs()).value().events,
              7u);
    EXPECT_EQ(statement(), -wire::control::enxio);
    EXPECT_EQ(service->handle(1, {DomainId{0}, ""}, ByteVector{1}, response),
              -wire::control::enxio);
}

TEST_F(ServiceTest, ItWorksThroughTheRegistersToo) {
    firmware.boot_ravelin();
    TisModel model{[&](auto command, u8 locality) { return software.execute(command, locality); }};
    service = std::make_unique<Service>(model, clock, console);
    service->start({.bytes = firmware.log()}, "ravelin test");
    measure_all();
    EXPECT_EQ(service->verdict().launch(), wire::Launch::srtm) << service->verdict().reason();
    EXPECT_GT(statement(), 0);
    EXPECT_EQ(model.holder, 0);
}

TEST_F(ServiceTest, ABigKernelShowsProgress) {
    start_measured();
    start({.bytes = firmware.log()}); // a second service on the same TPM: its log no longer matters
    const ByteVector big_kernel(17 * 1024 * 1024);
    EXPECT_FALSE(service->chain().measure(Measured::kernel, "big", big_kernel));
    EXPECT_TRUE(printed("measuring ravelin:kernel:big: 16 of 17 MiB"));
    EXPECT_TRUE(printed("measured ravelin:kernel:big"));
}

TEST_F(ServiceTest, AFailedMeasurementRunsOnUnmeasuredAndCapped) {
    firmware.boot_ravelin();
    start({.bytes = firmware.log()});
    ASSERT_EQ(service->verdict().launch(), wire::Launch::srtm);
    transport.fail(0, Fault::response_code, 0x101);
    auto failure = service->chain().measure(Measured::kernel, "dom0", text_bytes("kernel"));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->reason(),
              "measuring ravelin:kernel:dom0: TPM2_PCR_Extend: TPM_RC_FAILURE (0x101)");
    std::move(*failure).run_unmeasured(service->verdict());
    EXPECT_EQ(service->verdict().launch(), wire::Launch::unmeasured);
    EXPECT_TRUE(printed("UNMEASURED: measuring ravelin:kernel:dom0"));
    EXPECT_NE(pcrs().values[12], Sha256Digest{});
    EXPECT_GT(statement(), 0);
}

TEST_F(ServiceTest, WhatCannotBeCappedIsNotQuoted) {
    firmware.boot_ravelin();
    start({.bytes = firmware.log()});
    transport.fail(0, Fault::response_code, 0x101, 2);
    auto failure = service->chain().measure(Measured::kernel, "dom0", text_bytes("kernel"));
    ASSERT_TRUE(failure);
    std::move(*failure).run_unmeasured(service->verdict());
    EXPECT_EQ(statement(), -wire::control::enxio);
    EXPECT_TRUE(printed("no evidence will be given"));
}

TEST_F(ServiceTest, AFailureMayHaltInstead) {
    firmware.boot_ravelin();
    start({.bytes = firmware.log()});
    transport.fail(0, Fault::response_code, 0x101);
    auto failure = service->chain().measure(Measured::kernel, "dom0", text_bytes("kernel"));
    ASSERT_TRUE(failure);
    EXPECT_EXIT(std::move(*failure).halt([](std::string_view why) {
        std::fprintf(stderr, "%.*s", static_cast<int>(why.size()), why.data());
        std::exit(3);
    }),
                ::testing::ExitedWithCode(3),
                "TPM_RC_FAILURE");
    std::move(*failure).run_unmeasured(service->verdict());
}

TEST_F(ServiceTest, AnIgnoredFailureIsTheEnd) {
    firmware.boot_ravelin();
    start({.bytes = firmware.log()});
    EXPECT_DEATH(
        {
            transport.fail(0, Fault::response_code, 0x101);
            (void)service->chain().measure(Measured::kernel, "dom0", text_bytes("kernel"));
        },
        "");
}

TEST_F(ServiceTest, TheStatementIsBoundToTheQuote) {
    start_measured();
    const i64 size = statement();
    ASSERT_GT(size, 0);
    const auto decoded = wire::decode_evidence(std::span{response}.first(static_cast<usize>(size)));
    ASSERT_TRUE(decoded.is_ok());
    const auto& view = decoded.value();
    const auto statement_read = wire::decode_statement(view.statement).value();
    EXPECT_EQ(statement_read.launch, wire::Launch::srtm);
    EXPECT_EQ(statement_read.nonce[0], 0x5a);
    EXPECT_EQ(statement_read.label.view(), "system");
    EXPECT_EQ(statement_read.version.view(), "ravelin test");
    EXPECT_NE(statement_read.boot_id, (std::array<u8, 16>{}));
    const auto root =
        evidence::root_of(evidence::leaf(view.statement), view.index, view.count, view.path.span());
    ASSERT_TRUE(root);
    const auto expected = evidence::qualifying_data(view.count, *root);
    // TPMS_ATTEST: magic, type, qualified signer, extra data.
    EXPECT_EQ(word(view.attested, 0), 0xff54'4347u);
    const usize signer = view.attested[6] * 256u + view.attested[7];
    const auto extra = view.attested.subspan(8 + signer + 2, 32);
    EXPECT_TRUE(std::ranges::equal(extra, expected));
    EXPECT_EQ(view.pcrs.set, quoted_pcrs.raw());
    EXPECT_EQ(view.pcrs.values[12], pcrs().values[12]);
}

TEST_F(ServiceTest, AWindowOfManyStatementsIsOneQuote) {
    start_measured();
    Attestor attestor{tpm};
    ASSERT_TRUE(attestor.make_key(wire::Launch::srtm).is_ok());
    wire::Statement one;
    const unsigned before = transport.responses();
    for (unsigned i = 0; i < Attestor::window_size; ++i) {
        one.nonce.fill(static_cast<u8>(i));
        EXPECT_EQ(attestor.add(one), i);
    }
    EXPECT_FALSE(attestor.add(one));
    ASSERT_TRUE(attestor.close().is_ok());
    EXPECT_LE(transport.responses() - before, 6u);
    std::optional<evidence::Hash> root;
    for (u32 i = 0; i < Attestor::window_size; ++i) {
        const auto bytes = attestor.evidence(i, response);
        ASSERT_TRUE(bytes.is_ok());
        const auto view = wire::decode_evidence(bytes.value()).value();
        const auto implied = evidence::root_of(
            evidence::leaf(view.statement), view.index, view.count, view.path.span());
        ASSERT_TRUE(implied);
        EXPECT_EQ(root.value_or(*implied), *implied);
        root = implied;
    }
}

/// Fails the Nth response of start-up, measuring and quoting: never a measured verdict together
/// with a missing measurement.
TEST_F(ServiceTest, FaultSweepNeverClaimsTooMuch) {
    for (const Fault fault :
         {Fault::transport, Fault::response_code, Fault::truncated, Fault::garbage})
        for (unsigned nth = 0;; ++nth) {
            software.reset();
            Firmware fresh{tpm};
            fresh.boot_ravelin();
            console.lines.clear();
            const unsigned before = transport.responses();
            transport.fail(nth, fault, 0x101);
            start({.bytes = fresh.log()});
            measure_all();
            const i64 size = statement();
            const bool reached = transport.responses() - before > nth;
            transport.fail(0, Fault::none);
            SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at " + std::to_string(nth));
            if (service->verdict().launch() == wire::Launch::srtm) {
                const auto replayed =
                    evidence::replay(service->chain().log(), evidence::initial_pcrs());
                EXPECT_EQ(replayed.value().values[12], pcrs().values[12]);
                EXPECT_EQ(replayed.value().events, 6u);
            } else {
                EXPECT_TRUE(printed("UNMEASURED"));
            }
            // And the hypervisor recovers: the next quote works, where there is a key at all.
            if (size == -wire::control::eio) {
                EXPECT_GT(statement(), 0);
            }
            if (!reached)
                break;
            ASSERT_LT(nth, 200u);
        }
}

TEST_F(ServiceTest, ControlOperationsCheckTheirRequests) {
    start_measured();
    const Submitter domain0{DomainId{0}, "system"};
    const auto call = [&](u64 operation, const ByteVector& request, usize room = 4096) {
        return service->handle(operation, domain0, request, std::span{response}.first(room));
    };
    EXPECT_EQ(call(0, {}), static_cast<i64>(wire::control::Info::size));
    EXPECT_EQ(call(0, {1}), -wire::control::einval);
    EXPECT_EQ(call(0, {}, 5), -wire::control::enobufs);
    EXPECT_EQ(call(2, {}), -wire::control::einval); // nothing submitted
    EXPECT_EQ(call(3, {}), -wire::control::einval);
    EXPECT_EQ(call(1, plain(0x17b, big(8, 2))), 0);
    EXPECT_EQ(call(1, plain(0x17b, big(8, 2))), -wire::control::ebusy);
    EXPECT_EQ(call(2, {}, 3), -wire::control::enobufs);
    EXPECT_EQ(call(2, {}), 20);
    EXPECT_EQ(call(1, ByteVector(5000)), -wire::control::e2big);
    EXPECT_EQ(call(4, ByteVector(95)), -wire::control::einval);
    EXPECT_EQ(call(4, ByteVector(96), 100), -wire::control::enobufs);
    EXPECT_EQ(call(6, {}), -wire::control::enosys);
    EXPECT_EQ(call(99, {}), -wire::control::enosys);
    EXPECT_EQ(call(5, {}), -wire::control::einval);
}

TEST_F(ServiceTest, LogsAreReadInPieces) {
    start_measured();
    for (const auto log : {wire::control::Log::firmware, wire::control::Log::ravelin}) {
        ByteVector whole;
        for (;;) {
            const auto request = wire::control::encode({log, whole.size()});
            const i64 size = service->handle(static_cast<u64>(Operation::log_read),
                                             {DomainId{0}, "system"},
                                             request,
                                             std::span{response}.first(100));
            ASSERT_GE(size, 0);
            if (size == 0)
                break;
            whole.insert(whole.end(), response.begin(), response.begin() + size);
        }
        const auto expected =
            log == wire::control::Log::ravelin ? service->chain().log() : firmware.log();
        EXPECT_TRUE(std::ranges::equal(whole, expected));
    }
}

class StockToolsTest : public ServiceTest {
  protected:
    StockToolsTest() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "ravelin-tpm-XXXXXX").string();
        EXPECT_NE(mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    ~StockToolsTest() override { std::filesystem::remove_all(folder); }
    std::filesystem::path folder;
};

TEST_F(StockToolsTest, EventlogReplaysOurLogToThePcr) {
    start_measured();
    const auto result = StockTools{folder}.eventlog(service->chain().log());
    EXPECT_EQ(result.status, 0) << result.output;
    EXPECT_NE(result.output.find("0x" + hex(pcrs().values[12])), std::string::npos)
        << result.output;
    EXPECT_NE(result.output.find("ravelin:kernel:dom0"), std::string::npos) << result.output;
}

TEST_F(StockToolsTest, CheckquoteAcceptsOurQuote) {
    start_measured();
    const i64 size = statement();
    ASSERT_GT(size, 0);
    const auto view =
        wire::decode_evidence(std::span{response}.first(static_cast<usize>(size))).value();
    const auto root =
        evidence::root_of(evidence::leaf(view.statement), view.index, view.count, view.path.span());
    const auto qualification = evidence::qualifying_data(view.count, *root);
    // The key as domain 0 gets it: through the filter. TPM2B_PUBLIC is what the tool reads.
    const auto read = plain(0x173, big(virtual_attestation_key.raw(), 4));
    ASSERT_EQ(service->handle(1, {DomainId{0}, ""}, read, {}), 0);
    std::vector<u8> key(4096);
    ASSERT_GT(service->handle(2, {DomainId{0}, ""}, {}, key), 0);
    const auto public_area = std::span{key}.subspan(10, key[10] * 256u + key[11] + 2u);
    const StockTools tools{folder};
    const auto accepted =
        tools.checkquote(public_area, view.attested, view.signature, qualification);
    EXPECT_EQ(accepted.status, 0) << accepted.output;
    auto wrong = qualification;
    wrong[0] ^= 1;
    EXPECT_NE(tools.checkquote(public_area, view.attested, view.signature, wrong).status, 0);
}

} // namespace
} // namespace ravelin::hv::tpm::test

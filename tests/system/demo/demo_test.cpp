// SPDX-License-Identifier: Apache-2.0
// What ./demo shows, checked: the honest platform is TRUSTED, and each thing that is altered is
// named. File tamperings share one boot, and evidence is altered after it was captured.
#include <tools/demo/stage.hpp>

#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using demo::Judgement;
using demo::Stage;
using demo::Tamper;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Stage> play(std::set<Tamper> tampers) {
    demo::Options options;
    options.build = RAVELIN_BUILD_DIR;
    options.tampers = std::move(tampers);
    auto stage = std::make_unique<Stage>(options);
    stage->make_platform();
    stage->make_files();
    stage->commission();
    stage->predict();
    stage->tamper_with_files();
    stage->start_verifier();
    stage->boot();
    return stage;
}

TEST(Demo, HonestPlatformIsTrustedAndItsAlteredEvidenceIsNot) {
    const auto stage = play({});
    const Judgement honest = stage->verdict();
    EXPECT_EQ(honest.status, 0) << honest.table;
    EXPECT_THAT(honest.table, HasSubstr("\nplatform TRUSTED\n"));

    const Judgement replayed = stage->judge_altered(Tamper::nonce);
    EXPECT_EQ(replayed.status, 1);
    EXPECT_THAT(replayed.table, HasSubstr("platform UNTRUSTED: statement.nonce"));
    const Judgement log = stage->judge_altered(Tamper::log);
    EXPECT_EQ(log.status, 1);
    EXPECT_THAT(
        log.table,
        AllOf(HasSubstr("platform UNTRUSTED: log.text"), HasSubstr("module2 /dom0.kernem")));
    const Judgement quote = stage->judge_altered(Tamper::quote);
    EXPECT_EQ(quote.status, 1);
    EXPECT_THAT(quote.table, HasSubstr("platform UNTRUSTED: quote.signature"));
}

TEST(Demo, EachAlteredFileIsNamed) {
    const auto stage = play({Tamper::hypervisor, Tamper::kernel, Tamper::initrd, Tamper::cmdline});
    const Judgement judgement = stage->verdict();
    EXPECT_EQ(judgement.status, 1);
    for (const char* event : {"PCR 9 event '/ravelin.elf32'",
                              "PCR 9 event '/dom0.kernel'",
                              "PCR 9 event '/dom0.initrd'",
                              "PCR 9 event '/manifest'",
                              "PCR 12 event 'ravelin:manifest:manifest'",
                              "PCR 12 event 'ravelin:kernel:dom0'",
                              "PCR 12 event 'ravelin:ramdisk:dom0'",
                              "PCR 12 event 'ravelin:cmdline:dom0'"})
        EXPECT_THAT(judgement.table, HasSubstr(event));
    EXPECT_THAT(judgement.table, Not(HasSubstr("quote.signature (")));
}

TEST(Demo, TpmOfAnotherManufacturerIsNotEnrolled) {
    const auto stage = play({Tamper::ek});
    const Judgement judgement = stage->verdict();
    EXPECT_EQ(judgement.status, 1);
    EXPECT_THAT(judgement.table, HasSubstr("platform UNTRUSTED: enrolment.endorsement"));
}

} // namespace
} // namespace ravelin::system_test

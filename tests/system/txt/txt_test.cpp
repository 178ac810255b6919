// SPDX-License-Identifier: Apache-2.0
// The TXT model with an unmodified tboot and a payload of a few bytes: the launch and its
// measurements, several processors, what a chipset refuses, forged modules, tboot's policy, secrets
// left in memory, and Linux as somebody else's payload. Several things in one boot: a launch takes
// ten seconds and more.
#include <crypto/sha.hpp>
#include <tools/image/initramfs.hpp>
#include <tools/server/tpm_commands.hpp>
#include <tools/tboot/menu_entry.hpp>
#include <tools/tboot/predict.hpp>
#include <tools/txt/boot_medium.hpp>
#include <tools/txt/packet.hpp>
#include <tools/txt/server.hpp>
#include <tools/txt/tboot_image.hpp>

#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;
using txt::Bytes;

constexpr const char* tboot_file = "/boot/tboot.gz";
constexpr auto launch_limit = 180s;

Bytes bytes_of(const std::filesystem::path& path) {
    const std::string content = read_text_file(path);
    return {content.begin(), content.end()};
}

class TxtTest : public SystemTest {
  protected:
    struct Payload {
        std::string arguments;
        std::filesystem::path module{}; ///< default: the payload's own file
        std::string tboot_options{tboot::MenuEntry::default_options};
    };

    txt::TxtConfig config_for(const Payload& payload, unsigned processors = 1) {
        const std::filesystem::path file = built("tests/system/txt/payload.elf32");
        const std::filesystem::path module = payload.module.empty() ? file : payload.module;
        tboot::MenuEntry entry;
        entry.options = payload.tboot_options;
        entry.modules = {{"/payload", payload.arguments}, {"/module", "one two"}};
        const auto iso = directory() / "boot.iso";
        txt::TxtConfig config;
        config.machine.boot = BiosIso{iso};
        config.machine.memory_mib = 1024;
        config.machine.processors = processors;
        config.machine.clock = Clock::real;
        txt::build_medium({{tboot_file, "/tboot.gz"}, {file, "/payload"}, {module, "/module"}},
                          txt::medium_config(config.machine.memory_mib, tboot::grub_lines(entry)),
                          iso);
        config.sinit = authority().make_sinit();
        config.sinit_key_hash = authority().key_hash();
        files_.sinit = config.sinit;
        files_.tboot = txt::read_unpacked(tboot_file);
        files_.tboot_command_line = tboot::padded_options(entry.options);
        files_.modules = {{payload.arguments, bytes_of(file)}, {"one two", bytes_of(module)}};
        return config;
    }
    const txt::AcmAuthority& authority() {
        if (!authority_)
            authority_ = std::make_unique<txt::AcmAuthority>(directory() / "chipset");
        return *authority_;
    }
    /// What the register should hold, from the files.
    std::string predicted(unsigned pcr) {
        const auto events = tboot::predict_txt(files_);
        EXPECT_TRUE(events) << events.error();
        return txt::to_hex(tboot::value_of(pcr, events.value()));
    }
    static std::string pcr_line(Console& console, unsigned pcr) {
        return console.wait_for("payload: PCR" + std::to_string(pcr) + " ([0-9a-f]{64})", 20s)
            .at(1);
    }
    /// tboot's policy into the TPM's NV memory, as the owner would provision it.
    void provision_policy(const Bytes& policy);

    tboot::LaunchFiles files_;

  private:
    std::unique_ptr<txt::AcmAuthority> authority_;
};

void TxtTest::provision_policy(const Bytes& policy) {
    constexpr u32 index = 0x01c1'0131;
    const auto send = [&](std::initializer_list<std::pair<u64, int>> fields, const Bytes& tail) {
        Bytes command;
        const auto put = [&](u64 value, int size) {
            for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
                command.push_back(static_cast<u8>(value >> shift));
        };
        for (const auto& [value, size] : fields)
            put(value, size);
        command.insert(command.end(), tail.begin(), tail.end());
        const auto size = static_cast<u32>(command.size());
        for (std::size_t i = 0; i < 4; ++i)
            command[2 + i] = static_cast<u8>(size >> (24 - 8 * i));
        const auto response = tpm().transmit(TpmLocality{0}, command);
        ASSERT_GE(response.size(), 10U);
        EXPECT_EQ(Bytes(response.begin() + 6, response.begin() + 10), Bytes(4));
    };
    const auto size = static_cast<u32>(policy.size());
    tpm().power_on();
    send({{0x8001, 2}, {0, 4}, {0x144, 4}, {0, 2}}, {}); // TPM2_Startup
    constexpr u64 attributes = 0x2 | 0x2'0000 | 0x4'0000 | 0x200'0000;
    send({{0x8002, 2},
          {0, 4},
          {0x12a, 4},
          {0x4000'0001, 4},
          {9, 4},
          {0x4000'0009, 4},
          {0, 5},
          {0, 2},
          {14, 2},
          {index, 4},
          {0x0b, 2},
          {attributes, 4},
          {0, 2},
          {size, 2}},
         {}); // TPM2_NV_DefineSpace
    Bytes tail = policy;
    tail.insert(tail.end(), 2, 0); // offset
    send({{0x8002, 2},
          {0, 4},
          {0x137, 4},
          {0x4000'0001, 4},
          {index, 4},
          {9, 4},
          {0x4000'0009, 4},
          {0, 5},
          {size, 2}},
         tail); // TPM2_NV_Write
}

TEST_F(TxtTest, LaunchIsMeasuredAsPredictedAndTornDown) {
    const auto config = config_for({"attack shutdown"});
    txt::TxtServer server{config, tpm()};
    Console& console = server.console();
    console.wait_for("measured launch succeeded", launch_limit);
    console.wait_for("payload: magic 36d76289", 60s);
    console.wait_for("payload: shared page version 00000006", 20s);
    EXPECT_EQ(pcr_line(console, 17), predicted(17));
    EXPECT_EQ(pcr_line(console, 18), predicted(18));
    // A locality that the chipset keeps, and registers that it keeps.
    console.wait_for("payload: locality 2 answers 00000000", 20s);
    console.wait_for("payload: locality 3 answers 00000907", 20s);
    console.wait_for("payload: STS 000180c1", 20s);
    console.wait_for("payload: E2STS 00000002", 20s);
    console.wait_for("payload: DIDVID b0018086", 20s);
    console.wait_for("payload: locality 1 answers 00000907", 20s);
    server.wait_for_event("GETSEC\\[SEXIT\\]", 60s);
    server.machine().wait_for_power_off(60s);
    EXPECT_EQ(server.txt_register(0x8f0), 0U); // no secrets are left
    // tboot capped what it measured.
    EXPECT_NE(txt::to_hex(read_pcr(tpm(), 17)), predicted(17));
}

TEST_F(TxtTest, HashOfTheEnvironmentIsLcp2Mlehashs) {
    // lcp2_mlehash 1.10.5 gets command lines of 511 characters and more wrong: no padding here.
    const std::string options = tboot::MenuEntry::default_options;
    const auto output = directory() / "mlehash";
    run({.arguments =
             {"lcp2_mlehash", "--create", "--alg", "sha256", "--cmdline", options, tboot_file},
         .output = output,
         .inherited = {},
         .environment = {}},
        30s);
    std::string theirs = read_text_file(output);
    std::erase_if(theirs, [](char c) { return c == ' ' || c == '\n'; });
    const auto ours = tboot::tboot_environment(txt::read_unpacked(tboot_file), options);
    ASSERT_TRUE(ours) << ours.error();
    EXPECT_EQ(txt::to_hex(crypto::hash<crypto::Sha256>(ours.value())), theirs);

    auto config = config_for({"quiet"});
    const auto iso = directory() / "plain.iso";
    txt::build_medium(
        {{tboot_file, "/tboot.gz"}, {built("tests/system/txt/payload.elf32"), "/payload"}},
        txt::medium_config(1024, "multiboot2 /tboot.gz " + options + "\nmodule2 /payload quiet\n"),
        iso);
    config.machine.boot = BiosIso{iso};
    txt::TxtServer server{config, tpm()};
    server.wait_for_event("SINIT: measured environment", launch_limit);
    EXPECT_EQ(txt::to_hex(server.mle_hash()), theirs);
}

TEST_F(TxtTest, OtherProcessorsJoin) {
    const auto config = config_for({"quiet"}, 2);
    txt::TxtServer server{config, tpm()};
    server.wait_for_event("RLP 1 joins", launch_limit);
    server.console().wait_for("payload: processors waiting 00000001", 60s);
    EXPECT_EQ(pcr_line(server.console(), 17), predicted(17));
    EXPECT_EQ(pcr_line(server.console(), 18), predicted(18));
    server.machine().wait_for_power_off(60s);
}

TEST_F(TxtTest, FourProcessorsJoinNightly) {
    const auto config = config_for({"shutdown"}, 4);
    txt::TxtServer server{config, tpm()};
    for (const char* processor : {"1", "2", "3"})
        server.wait_for_event(std::string{"RLP "} + processor + " joins", launch_limit);
    server.console().wait_for("payload: processors waiting 00000003", 60s);
    EXPECT_EQ(pcr_line(server.console(), 17), predicted(17));
    server.wait_for_event("GETSEC\\[SEXIT\\]", 60s);
}

TEST_F(TxtTest, ForgedSinitResetsAndTheNextBootIsUnmeasured) {
    auto config = config_for({"plant reset"});
    config.machine.reset = Reset::boots_again;
    config.sinit.at(0x1000) ^= 1;
    txt::TxtServer server{config, tpm()};
    Console& console = server.console();
    server.wait_for_event("TXT reset: the module is not authentic, ERRORCODE 0x80000007",
                          launch_limit);
    EXPECT_EQ(server.txt_register(0x30), 0x8000'0007U);
    EXPECT_EQ(server.txt_register(0x08) & 1, 1U);
    console.wait_for("payload: no shared page", launch_limit);
    EXPECT_EQ(pcr_line(console, 17), std::string(64, 'f'));
    EXPECT_THAT(server.events(), HasSubstr("unmeasured"));
    EXPECT_THAT(console.text(), Not(HasSubstr("measured launch succeeded")));
    // No secrets were ever declared: memory outlives a reset. (SecretsAreScrubbed's counterpart.)
    console.wait_for("payload: done", 20s);
    console.wait_for("GRUB|TBOOT", launch_limit);
    EXPECT_EQ(server.read_memory(0x1000'0000, 4), (Bytes{0x00, 0xe7, 0xc2, 0x5e}));
}

TEST_F(TxtTest, SecretsAreScrubbedAfterAReset) {
    auto config = config_for({"plant reset"});
    config.machine.reset = Reset::boots_again;
    txt::TxtServer server{config, tpm()};
    server.console().wait_for("payload: done", launch_limit + 60s);
    server.wait_for_event("all of it scrubbed", 60s);
    EXPECT_EQ(server.read_memory(0x1000'0000, 4096), Bytes(4096));
    EXPECT_EQ(server.txt_register(0x8f0), 0U);
}

TEST_F(TxtTest, HaltPolicyStopsAChangedModule) {
    const auto other = directory() / "other";
    std::ofstream{other} << "not what the policy names";
    static_cast<void>(config_for({"quiet"}));
    provision_policy(tboot::encode(tboot::policy_for(tboot::PolicyType::halt, files_.modules)));
    const auto config = config_for({"quiet", other});
    txt::TxtServer server{config, tpm()};
    server.wait_for_event("SINIT: measured environment", launch_limit);
    server.console().wait_for("verification failed|shutdown_system\\(\\) called", 60s);
    server.wait_for_event("GETSEC\\[SEXIT\\]", 60s);
    EXPECT_THAT(server.events(), Not(HasSubstr("payload entered")));
    EXPECT_THAT(server.console().text(), Not(HasSubstr("payload:")));
}

TEST_F(TxtTest, ContinuePolicyStartsAChangedModuleAndItsRegisterTells) {
    const auto other = directory() / "other";
    std::ofstream{other} << "not what the policy names";
    static_cast<void>(config_for({"quiet"}));
    const Bytes policy = tboot::encode(tboot::policy_for(tboot::PolicyType::go_on, files_.modules));
    provision_policy(policy);
    files_.policy = policy;
    const std::string expected = predicted(17);
    const auto config = config_for({"quiet", other});
    txt::TxtServer server{config, tpm()};
    server.console().wait_for("payload: magic", launch_limit + 60s);
    const std::string found = pcr_line(server.console(), 17);
    EXPECT_NE(found, expected);
    // tboot does not measure a module that its policy refuses: the event is missing.
    files_.modules.pop_back();
    EXPECT_EQ(found, predicted(17));
}

TEST_F(TxtTest, LinuxUnderTbootNightly) {
    const auto iso = directory() / "linux.iso";
    auto config = config_for({"quiet"});
    tboot::MenuEntry entry;
    entry.modules = {{"/vmlinuz", "console=ttyS0 intel_iommu=on panic=-1"}};
    txt::build_medium({{tboot_file, "/tboot.gz"}, {stock_kernel_image(), "/vmlinuz"}},
                      txt::medium_config(1024, tboot::grub_lines(entry)),
                      iso);
    config.machine.boot = BiosIso{iso};
    txt::TxtServer server{config, tpm()};
    server.console().wait_for("tboot: found shared page", launch_limit + 60s);
    server.console().wait_for("Unable to mount root fs", 120s);
    // Linux restarts through tboot: an orderly teardown.
    server.wait_for_event("payload: back to tboot", 60s);
    server.wait_for_event("GETSEC\\[SEXIT\\]", 60s);
}

} // namespace
} // namespace ravelin::system_test

// SPDX-License-Identifier: Apache-2.0
// Ravelin as tboot's payload: launched dynamically and left through tboot; and the same files
// booted without TXT, which it must say.
#include <tools/manifest/compile.hpp>
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
constexpr const char* asked = "launch=drtm";
constexpr unsigned memory_mib = 1024;
constexpr auto launch_limit = 240s;

constexpr const char* manifest_toml = "version = 1\n"
                                      "platform = \"TXT\"\n"
                                      "[[domain]]\n"
                                      "id = 0\n"
                                      "name = \"guest\"\n"
                                      "role = \"domain0\"\n"
                                      "kernel = \"guest.kernel\"\n"
                                      "command_line = \"\"\n"
                                      "memory_mib = 64\n"
                                      "vcpus = 1\n"
                                      "label = \"guest\"\n";

Bytes bytes_of(const std::filesystem::path& path) {
    const std::string content = read_text_file(path);
    return {content.begin(), content.end()};
}

class TxtRavelinTest : public SystemTest {
  protected:
    /// How GRUB starts Ravelin.
    enum class Loader { tboot, grub };

    txt::TxtConfig config_for(const char* guest, Loader loader) {
        const auto manifest = compile_manifest(manifest_toml);
        EXPECT_TRUE(manifest);
        std::ofstream{directory() / "manifest", std::ios::binary}
            << std::string{manifest.value().begin(), manifest.value().end()};
        const auto ravelin = built("hv/ravelin.elf32");
        const auto kernel = built(std::string{"tests/guests/"} + guest + ".elf");
        tboot::MenuEntry entry;
        entry.modules = {{"/ravelin.elf32", asked},
                         {"/manifest", "manifest"},
                         {"/guest.kernel", "guest.kernel"}};
        const std::string direct = std::string{"multiboot2 /ravelin.elf32 "} + asked +
                                   "\nmodule2 /manifest manifest\n"
                                   "module2 /guest.kernel guest.kernel\n";
        const auto iso = directory() / "boot.iso";
        txt::build_medium(
            {{tboot_file, "/tboot.gz"},
             {ravelin, "/ravelin.elf32"},
             {directory() / "manifest", "/manifest"},
             {kernel, "/guest.kernel"}},
            txt::medium_config(memory_mib,
                               loader == Loader::tboot ? tboot::grub_lines(entry) : direct),
            iso);
        const txt::AcmAuthority authority{directory() / "chipset"};
        txt::TxtConfig config;
        config.machine.boot = BiosIso{iso};
        config.machine.memory_mib = memory_mib;
        config.machine.clock = Clock::real;
        config.sinit = authority.make_sinit();
        config.sinit_key_hash = authority.key_hash();

        files_.sinit = config.sinit;
        files_.tboot = txt::read_unpacked(tboot_file);
        files_.tboot_command_line = tboot::padded_options(entry.options);
        files_.modules = {{asked, bytes_of(ravelin)},
                          {"manifest", manifest.value()},
                          {"guest.kernel", bytes_of(kernel)}};
        return config;
    }
    std::string predicted(unsigned pcr) {
        const auto events = tboot::predict_txt(files_);
        EXPECT_TRUE(events) << events.error();
        return txt::to_hex(tboot::value_of(pcr, events.value()));
    }
    std::string held(u8 pcr) { return txt::to_hex(read_pcr(tpm(), pcr)); }

    tboot::LaunchFiles files_;
};

TEST_F(TxtRavelinTest, LeavesThroughTboot) {
    const auto config = config_for("hello", Loader::tboot);
    txt::TxtServer server{config, tpm()};
    server.console().wait_for("launch: DRTM", launch_limit);
    server.console().wait_for("PCR 17-19 capped", 120s);
    server.wait_for_event("payload: back to tboot", 60s);
    server.wait_for_event("GETSEC\\[SEXIT\\]", 60s);
    EXPECT_EQ(server.txt_register(0x8f0), 0U); // no secrets are left
    EXPECT_NE(held(17), predicted(17));
}

TEST_F(TxtRavelinTest, AskedForButNotLaunchedSaysSo) {
    const auto config = config_for("hello", Loader::grub);
    txt::TxtServer server{config, tpm()};
    server.console().wait_for("UNMEASURED: asked for DRTM, launched without", launch_limit);
    EXPECT_EQ(held(17), std::string(64, 'f'));
    EXPECT_THAT(server.console().text(), Not(HasSubstr("launch: DRTM")));
    EXPECT_THAT(server.events(), Not(HasSubstr("SENTER")));
}

} // namespace
} // namespace ravelin::system_test

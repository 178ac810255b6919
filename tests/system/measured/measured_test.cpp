// SPDX-License-Identifier: Apache-2.0
// The measured chain from power-on to the launched domain, against the TPM itself: what was
// predicted from the files is what its registers hold, and the registers of the firmware are those
// of the commissioning boot.
#include <attest/reference.hpp>
#include <tools/image/boot_image.hpp>
#include <tools/manifest/compile.hpp>
#include <tools/server/tpm_commands.hpp>

#include <evidence/replay.hpp>
#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

using attest::Bytes;
using attest::to_hex;

constexpr const char* manifest_toml = "version = 1\n"
                                      "platform = \"Measured\"\n"
                                      "[[domain]]\n"
                                      "id = 0\n"
                                      "name = \"hello\"\n"
                                      "role = \"domain0\"\n"
                                      "kernel = \"hello.kernel\"\n"
                                      "command_line = \"one two\"\n"
                                      "memory_mib = 64\n"
                                      "vcpus = 1\n"
                                      "label = \"hello\"\n";

Bytes bytes_of(const std::filesystem::path& path) {
    const std::string content = read_text_file(path);
    return {content.begin(), content.end()};
}

class MeasuredTest : public SystemTest {
  protected:
    void SetUp() override {
        const auto manifest = compile_manifest(manifest_toml);
        ASSERT_TRUE(manifest) << describe(manifest.error(), "manifest.toml");
        const std::vector<u8>& bytes = manifest.value();
        std::ofstream{directory() / "manifest"} << std::string{bytes.begin(), bytes.end()};
        files_ = {.hypervisor = built("hv/ravelin.elf32"),
                  .hypervisor_arguments = {},
                  .modules = {{directory() / "manifest", "manifest"},
                              {built("tests/guests/hello.elf"), "hello.kernel"}}};
    }
    std::filesystem::path disk(const std::string& config) {
        const auto path = directory() / "disk.img";
        build_uefi_disk(files_, config, path);
        return path;
    }
    std::string pcr(u8 index) { return to_hex(read_pcr(tpm(), index)); }

    BootFiles files_;
};

std::string extended(const std::vector<attest::ReferenceEvent>& events) {
    evidence::PcrValue value{};
    for (const attest::ReferenceEvent& event : events)
        evidence::extend(value, event.digest);
    return to_hex(value);
}

TEST_F(MeasuredTest, PredictedRegistersAreTheTpms) {
    MachineConfig config;
    config.boot = UefiDisk{disk(commissioning_config)};
    std::string commissioned = R"({"sha256":{)";
    {
        Machine machine{config, &tpm()};
        machine.wait_for_power_off(120s);
        for (u8 index = 0; index < 8; ++index)
            commissioned +=
                (index == 0 ? "\"" : ",\"") + std::to_string(index) + "\":\"" + pcr(index) + "\"";
    }
    const auto firmware = attest::firmware_reference(commissioned + "}}");
    ASSERT_TRUE(firmware) << firmware.error();

    const std::string grub = grub_config(files_);
    const std::map<std::string, Bytes> on_disk{{"/ravelin.elf32", bytes_of(files_.hypervisor)},
                                               {"/manifest", bytes_of(files_.modules[0].file)},
                                               {"/hello.kernel", bytes_of(files_.modules[1].file)}};
    const auto loader = attest::predict_boot_loader(grub, on_disk);
    ASSERT_TRUE(loader) << loader.error();
    const auto launch = attest::predict_launch(attest::boot_modules(grub, on_disk).value());
    ASSERT_TRUE(launch) << launch.error();

    config.boot = UefiDisk{disk(grub)};
    Machine machine{config, &tpm()};
    machine.console().wait_for("launch: SRTM", 120s);
    machine.console().wait_for("measured ravelin:config:hello", 60s);
    for (const auto& [index, value] : firmware.value())
        EXPECT_EQ(pcr(static_cast<u8>(index)), to_hex(value)) << "PCR " << index;
    EXPECT_EQ(pcr(8), extended(loader.value().events.at(8)));
    EXPECT_EQ(pcr(9), extended(loader.value().events.at(9)));
    // The separator is extended just after the last line about a measurement.
    for (int wait = 0; wait < 50 && pcr(12) != extended(launch.value().events); ++wait)
        std::this_thread::sleep_for(100ms);
    EXPECT_EQ(pcr(12), extended(launch.value().events));
}

TEST_F(MeasuredTest, BiosBootIsUnmeasuredAndSaysSo) {
    const auto iso = directory() / "boot.iso";
    build_bios_iso(files_, grub_config(files_), iso);
    MachineConfig config;
    config.boot = BiosIso{iso};
    Machine machine{config, &tpm()};
    machine.console().wait_for("UNMEASURED", 60s);
}

} // namespace
} // namespace ravelin::system_test

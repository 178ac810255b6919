// SPDX-License-Identifier: Apache-2.0
// Attack guests on the whole hypervisor, each as its only domain. The guest's own verdict decides,
// or, where the guest must be stopped, the hypervisor's words.
#include <tools/manifest/compile.hpp>

#include <fstream>
#include <system/fixture.hpp>

namespace ravelin::system_test {
namespace {

constexpr const char* manifest_toml = "version = 1\n"
                                      "platform = \"Guests\"\n"
                                      "[[domain]]\n"
                                      "id = 0\n"
                                      "name = \"guest\"\n"
                                      "role = \"domain0\"\n"
                                      "kernel = \"guest.kernel\"\n"
                                      "memory_mib = 64\n"
                                      "vcpus = 1\n"
                                      "label = \"guest\"\n";

class GuestTest : public SystemTest {
  protected:
    MachineConfig machine_for(const std::string& guest) {
        const auto manifest = compile_manifest(manifest_toml);
        EXPECT_TRUE(manifest) << describe(manifest.error(), "manifest.toml");
        const std::vector<u8>& bytes = manifest.value();
        std::ofstream{directory() / "manifest"} << std::string{bytes.begin(), bytes.end()};
        MachineConfig config =
            direct_boot("",
                        {{directory() / "manifest", "manifest"},
                         {built("tests/guests/" + guest + ".elf"), "guest.kernel"}});
        config.clock = Clock::deterministic;
        return config;
    }
};

class RefusedAttack : public GuestTest, public testing::WithParamInterface<const char*> {};

TEST_P(RefusedAttack, GuestSaysSo) {
    Machine machine{machine_for(GetParam())};
    const auto verdict =
        machine.console().wait_for("Test result: (SUCCESS|SKIP|ERROR|FAILURE)", 60s);
    EXPECT_EQ(verdict.at(1), "SUCCESS");
    machine.wait_for_power_off(30s);
}

INSTANTIATE_TEST_SUITE_P(Guests,
                         RefusedAttack,
                         testing::Values("hello",
                                         "attack-msr",
                                         "attack-instructions",
                                         "attack-memory",
                                         "attack-ports",
                                         "attack-pointers"),
                         [](const auto& test) {
                             std::string name = test.param;
                             std::erase(name, '-');
                             return name;
                         });

TEST_F(GuestTest, TripleFaultStopsTheDomainInWords) {
    Machine machine{machine_for("attack-triple-fault")};
    machine.console().wait_for("now without an interrupt table", 60s);
    machine.console().wait_for("domain guest stopped: stopped by the hypervisor: triple fault",
                               10s);
}

TEST_F(GuestTest, PageTablesOutsideMemoryStopTheDomainInWords) {
    Machine machine{machine_for("attack-page-tables")};
    machine.console().wait_for("page tables outside its memory", 60s);
    machine.console().wait_for("detail 0xfed40000", 10s);
}

} // namespace
} // namespace ravelin::system_test

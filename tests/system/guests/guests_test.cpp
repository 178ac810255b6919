// SPDX-License-Identifier: Apache-2.0
// Attack guests on the whole hypervisor, each as its only domain. The guest's own verdict decides,
// or, where the guest must be stopped, the hypervisor's words.
#include <tools/manifest/compile.hpp>

#include <fstream>
#include <regex>
#include <sstream>
#include <system/fixture.hpp>
#include <vector>

namespace ravelin::system_test {
namespace {

constexpr const char* head = "version = 1\n"
                             "platform = \"Guests\"\n";

std::string domain(unsigned id, const std::string& name, unsigned vcpus) {
    return "[[domain]]\nid = " + std::to_string(id) + "\nname = \"" + name + "\"\nrole = \"" +
           (id == 0 ? "domain0" : "guest") +
           "\"\nkernel = \"guest.kernel\"\nmemory_mib = 64\nvcpus = " + std::to_string(vcpus) +
           "\nlabel = \"guest\"\n";
}

class GuestTest : public SystemTest {
  protected:
    MachineConfig machine_for(const std::string& guest,
                              const std::string& domains = domain(0, "guest", 1)) {
        const auto manifest = compile_manifest(head + domains);
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

class RefusedAttack : public GuestTest, public testing::WithParamInterface<std::string> {};

/// The list that every back end is tested with: tests/guests/CMakeLists.txt.
std::vector<std::string> lone_guests() {
    std::istringstream list{RAVELIN_LONE_GUESTS};
    std::vector<std::string> out;
    for (std::string name; std::getline(list, name, ',');)
        out.push_back(name);
    return out;
}

TEST_P(RefusedAttack, GuestSaysSo) {
    Machine machine{machine_for(GetParam())};
    const auto verdict =
        machine.console().wait_for("Test result: (SUCCESS|SKIP|ERROR|FAILURE)", 60s);
    EXPECT_EQ(verdict.at(1), "SUCCESS");
    machine.wait_for_power_off(30s);
}

INSTANTIATE_TEST_SUITE_P(Guests,
                         RefusedAttack,
                         testing::ValuesIn(lone_guests()),
                         [](const auto& test) {
                             std::string name = test.param;
                             std::erase(name, '-');
                             return name;
                         });

/// Several physical CPUs run in the host's time.
class SeveralCpus : public GuestTest, public testing::WithParamInterface<unsigned> {
  protected:
    MachineConfig on_cpus(const std::string& guest, const std::string& domains) {
        MachineConfig config = machine_for(guest, domains);
        config.processors = GetParam();
        config.clock = GetParam() == 1 ? Clock::deterministic : Clock::real;
        return config;
    }
};

TEST_P(SeveralCpus, VcpusAreStartedByInterprocessorInterrupts) {
    Machine machine{on_cpus("smp", domain(1, "guest", 4))};
    machine.console().wait_for("vcpus: 4", 60s);
    machine.console().wait_for("all have started", 60s);
    machine.console().wait_for("Test result: SUCCESS", 60s);
    machine.wait_for_power_off(30s);
}

TEST_P(SeveralCpus, DomainsShareTheCpusAndTheMachineEndsWithTheLast) {
    Machine machine{on_cpus("share", domain(1, "one", 1) + domain(2, "two", 1))};
    machine.wait_for_power_off(90s);
    // On two CPUs their words come in any order.
    const std::string text = machine.console().text();
    for (const std::string name : {"one", "two"}) {
        std::smatch share;
        ASSERT_TRUE(
            std::regex_search(text, share, std::regex{name + "\\| share.percent: ([0-9]+)"}));
        if (GetParam() == 1) {
            EXPECT_GE(std::stoul(share[1]), 45u);
            EXPECT_LE(std::stoul(share[1]), 60u); // the last turn has no rival
        }
        EXPECT_NE(text.find(name + "| Test result: SUCCESS"), text.npos);
        EXPECT_NE(text.find("domain " + name + " stopped: power off"), text.npos);
    }
    EXPECT_LT(text.rfind("begun"), text.find("ended")) << "one after the other";
}

INSTANTIATE_TEST_SUITE_P(Processors, SeveralCpus, testing::Values(1u, 2u));

TEST_F(GuestTest, GrantsGiveWhatWasGrantedAndNoMore) {
    // The same program, which tells the two apart by their numbers.
    Machine machine{
        machine_for("attack-grants", domain(1, "victim", 1) + domain(2, "attacker", 1))};
    for (const std::string name : {"attacker", "victim"}) {
        const auto verdict =
            machine.console().wait_for(name + "\\| Test result: (SUCCESS|SKIP|ERROR|FAILURE)", 60s);
        EXPECT_EQ(verdict.at(1), "SUCCESS") << name;
    }
    machine.wait_for_power_off(30s);
}

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

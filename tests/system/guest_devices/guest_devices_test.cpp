// SPDX-License-Identifier: Apache-2.0
// Stock guests with disk and network behind stock back ends in domain 0, made and taken away by
// `ravelin vm` while the server runs.
#include <tools/demo/guests.hpp>

#include <fstream>
#include <system/domain0.hpp>
#include <system/fixture.hpp>
#include <system/stock_guests.hpp>

namespace ravelin::system_test {
namespace {

class GuestDevices : public SystemTest {
  protected:
    MachineConfig machine_for(const std::string& name, const std::filesystem::path& program) {
        Domain0Test test;
        test.name = name;
        test.program = program;
        test.memory_mib = 512;
        test.backends = Backends::present;
        test.programs = {built("tools/vm/ravelin-vm")};
        return direct_boot("", domain0_modules(test, directory()));
    }
};

TEST_F(GuestDevices, StoreAndBackEndsAreReadyInDomain0) {
    Machine machine{machine_for("store", source("tests/system/guest_devices/store.sh"))};
    Console& console = machine.console();
    console.wait_for("ravelin-init: store", 240s);
    EXPECT_EQ(console.wait_for("store-test: user space reads <([^>]*)>", 60s).at(1), "works");
    EXPECT_THAT(console.wait_for("store-test: the kernel wrote <([^>]*)>", 60s).at(1),
                testing::HasSubstr("feature-poweroff"));
    EXPECT_THAT(console.wait_for("store-test: back ends <([^>]*)>", 60s).at(1),
                testing::AllOf(testing::HasSubstr("vbd"), testing::HasSubstr("vif")));
    machine.wait_for_power_off(60s);
}

TEST_F(GuestDevices, TwoStockGuestsPingAndCopyADisk) {
    const demo::Guests guests = demo::make_guests(directory());
    MachineConfig config = machine_for("guests", guests.script);
    config.extra_arguments = demo::guests_disk_arguments(guests);
    Machine machine{config};
    Console& console = machine.console();
    console.wait_for("guests: alpha created: domain", 420s);
    console.wait_for("guests: beta created: domain", 120s);
    EXPECT_EQ(console.wait_for("guests: alpha: ping .* ([0-9]+)% packet loss", 300s).at(1), "0");
    EXPECT_EQ(console.wait_for("guests: alpha: disk ([0-9a-f]{64})", 10s).at(1), guests.digest);
    console.wait_for("guests: alpha ended: power off", 10s);
    EXPECT_EQ(console.wait_for("guests: beta: copied ([0-9a-f]{64})", 300s).at(1), guests.digest);
    console.wait_for("guests: beta ended: power off", 10s);
    console.wait_for("guests: alpha destroyed", 60s);
    console.wait_for("guests: beta destroyed", 60s);
    EXPECT_EQ(console.wait_for("guests: the copied disk is ([0-9a-f]{64})", 60s).at(1),
              guests.digest);
    machine.wait_for_power_off(60s);
    EXPECT_THAT(console.text(), testing::Not(testing::HasSubstr("iommu: fault")));
}

/// What a line of the script says behind `label`.
std::string said(Console& console, const std::string& label) {
    return console.wait_for("test: " + label + ": (.*[^ ]) *#$", 150s).at(1);
}
u64 number(const std::string& text) {
    return std::stoull(text.substr(text.find_last_of(' ') + 1));
}

void expect_disks(Console& console) {
    EXPECT_EQ(said(console, "web's disks"), "0 xvda xvdb xvdc xvdd");
    for (const char* disk : {"xvda", "xvdb", "xvdc"}) // a file, a volume, a loop device
        EXPECT_EQ(said(console, std::string{"web "} + disk), "pass 0");
    EXPECT_EQ(said(console, "web xvdd is read only"), "0 1");
    const std::string in_guest = said(console, "web xvdb holds what the volume holds");
    EXPECT_EQ(said(console, "the volume"), in_guest);
    // 11 pages fit a request without indirect descriptors.
    EXPECT_GT(number(said(console, "web's segments in a request")), 11u);
    EXPECT_GT(number(said(console, "sectors in a read")), 11u * 8);
}

void expect_control(Console& console) {
    const auto capped = console.wait_for("test: cpu of a spinner with cap 20: ([0-9]+)%", 150s);
    EXPECT_THAT(std::stoi(capped.at(1)), testing::AllOf(testing::Ge(10), testing::Le(25)));
    const auto alone = console.wait_for("test: cpu of a spinner without: ([0-9]+)%", 150s);
    EXPECT_GE(std::stoi(alone.at(1)), 50);
    EXPECT_EQ(said(console, "paused"), "paused, used 0");
    EXPECT_EQ(said(console, "unpaused"), "running, 0 here");
}

void expect_balloon(Console& console) {
    const u64 full = number(said(console, "web has"));
    EXPECT_LE(number(said(console, "down")), 112u);
    EXPECT_LE(number(said(console, "web sees")), full - 75);
    EXPECT_GE(number(said(console, "up")), 190u);
    EXPECT_GE(number(said(console, "web sees")), full - 2);
    EXPECT_GE(number(said(console, "beyond")), 250u);
    EXPECT_GE(number(said(console, "web sees")), full + 60);
    console.wait_for("test: web still works", 150s);
    EXPECT_EQ(said(console, "failures under load"), "0 0");
}

void expect_back_ends_restarted(Console& console) {
    EXPECT_THAT(said(console, "ping"), testing::HasSubstr(" 0% packet loss"));
    EXPECT_THAT(said(console, "web without back ends"),
                testing::AllOf(testing::HasSubstr("xvda: no back end serves it"),
                               testing::HasSubstr("vif1.0: no back end serves it")));
    console.wait_for("test: back ends are back", 150s);
    console.wait_for("test: web still works", 150s);
    EXPECT_EQ(said(console, "failures over the restart"), "0 0");
    EXPECT_THAT(said(console, "ping"), testing::HasSubstr(" 0% packet loss"));
}

void expect_only_one_suffers(Console& console) {
    EXPECT_EQ(said(console, "a write to a full disk"), "0 failed");
    EXPECT_EQ(said(console, "why"), "xvdb: the file system of /small/full.img is full");
    EXPECT_EQ(said(console, "other's other disk"), "0");
    EXPECT_EQ(said(console, "web meanwhile"), "0");
    EXPECT_EQ(said(console, "its disk"), "0 failed");
    EXPECT_THAT(said(console, "why"), testing::HasSubstr("xvda: its back end closed it"));
    EXPECT_EQ(said(console, "its other disk"), "0");
    EXPECT_EQ(said(console, "the other guest"), "0");
    EXPECT_EQ(said(console, "broken"), "stopped: stopped by the hypervisor: triple fault");
    console.wait_for("ravelin-vm: other ended: crash; started again: domain [0-9]+", 150s);
    console.wait_for("test: other ready", 150s);
    EXPECT_EQ(said(console, "web meanwhile"), "0");
}

void expect_ends(Console& console) {
    console.wait_for("test: the reboot program ran", 150s);
    EXPECT_EQ(said(console, "after the reboot"), "0");
    console.wait_for("test: the shutdown program ran", 150s);
    EXPECT_EQ(said(console, "web was shut down"), "0");
    console.wait_for("test: other was destroyed at work", 150s);
    console.wait_for("ravelin-vm: hello ended: power off; destroyed", 150s);
    EXPECT_THAT(said(console, "hello powered off and is gone"),
                testing::HasSubstr("ended: power off"));
    EXPECT_EQ(said(console, "devices left"), "0");
}

/// Everything that `ravelin vm` does to guests at work, and back ends that die: one server, two
/// guests.
TEST_F(GuestDevices, GuestsAtWorkAndBackEndsThatDie) {
    Domain0Test test;
    test.name = "devices";
    test.program = source("tests/system/guest_devices/devices.sh");
    test.memory_mib = 512;
    test.backends = Backends::present;
    test.programs = {built("tools/vm/ravelin-vm"), "/sbin/lvm"};
    test.kernel_modules = {"dm-mod"};
    test.files = {guests_script()};
    MachineConfig config = direct_boot("", domain0_modules(test, directory()));
    const auto guests = make_guests_disk(
        directory(),
        {{"web",
          192,
          "maxmem = 256\ndisk = [\"/guests/web.img,raw,xvda,rw\", \"/dev/group/web,raw,xvdb,rw\", "
          "\"/dev/loop7,raw,xvdc,rw\", \"/dev/group/spare,raw,xvdd,r\"]\nvif = [\"\"]\n"},
         {"other",
          160,
          "disk = [\"/guests/other.img,raw,xvda,rw\", \"/small/full.img,raw,xvdb,rw\"]\n"
          "vif = [\"\"]\non_crash = \"restart\"\n"}},
        {{"broken", built("tests/guests/attack-triple-fault.elf"), "on_crash = \"preserve\"\n"},
         {"hello", built("tests/guests/hello.elf"), ""}});
    const auto volumes = directory() / "volumes.img";
    std::ofstream{volumes} << "";
    std::filesystem::resize_file(volumes, 64u << 20);
    config.extra_arguments = disk_arguments(guests, "guests", "r");
    for (const std::string& one : disk_arguments(volumes, "volumes", "rw"))
        config.extra_arguments.push_back(one);
    Machine machine{config};
    machine.console().wait_for("test: other ready", 400s);
    expect_disks(machine.console());
    expect_control(machine.console());
    expect_balloon(machine.console());
    expect_back_ends_restarted(machine.console());
    expect_only_one_suffers(machine.console());
    expect_ends(machine.console());
    machine.wait_for_power_off(60s);
    EXPECT_THAT(machine.console().text(), testing::Not(testing::HasSubstr("iommu: fault")));
}

} // namespace
} // namespace ravelin::system_test

// SPDX-License-Identifier: Apache-2.0
// Stock guests with disk and network behind stock back ends in domain 0, made and taken away by
// `ravelin vm` while the server runs.
#include <tools/demo/guests.hpp>

#include <system/domain0.hpp>
#include <system/fixture.hpp>

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

} // namespace
} // namespace ravelin::system_test

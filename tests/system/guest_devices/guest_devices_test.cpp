// SPDX-License-Identifier: Apache-2.0
// What domain 0 needs to serve stock guests with disk and network.
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

} // namespace
} // namespace ravelin::system_test

// SPDX-License-Identifier: Apache-2.0
// What CPUID, MSRs and the bus let through. The physical CPU of the test claims every feature.
#include "scripted_cpu.hpp"

#include <hv/domain/msr_policy.hpp>

namespace ravelin::hv::domain {
namespace {

class PolicyTest : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(domain.stage2().initialise()); }
    test::GuestMachine machine;
    test::RecordingAbi abi;
    Domain domain{{DomainId{0}, Name{"test"}, Role::domain0, LabelId{0}},
                  {stage2::Format::nested_pages, stage2::LargestPage::size_2m},
                  machine.tables,
                  machine,
                  abi};
    test::ScriptedCpu backend;
    test::SimpleApic apic;
    test::TestPhysicalCpu physical;
    Vcpu vcpu{domain, VcpuId{0}, backend, apic};
    CpuidPolicy policy{physical};
};

TEST_F(PolicyTest, VirtualisationAndUnknownFeaturesAreHidden) {
    const CpuidState state{3, 4, 0};
    const CpuidResult features = policy.lookup(1, 0, state, physical);
    EXPECT_EQ(features.ecx & (1u << 5), 0u) << "VMX";
    EXPECT_EQ(features.ecx & (1u << 6), 0u) << "SMX";
    EXPECT_EQ(features.ecx & (1u << 3), 0u) << "MONITOR";
    EXPECT_EQ(features.ecx & (1u << 27), 0u) << "OSXSAVE follows CR4";
    EXPECT_NE(features.ecx & (1u << 31), 0u);
    EXPECT_NE(features.ecx & (1u << 21), 0u);
    EXPECT_EQ(features.edx & (1u << 12 | 1u << 14 | 1u << 7), 0u) << "MTRR, MCA, MCE";
    EXPECT_EQ(features.ebx >> 24, 3u);
    const CpuidResult extended = policy.lookup(0x8000'0001, 0, state, physical);
    EXPECT_EQ(extended.ecx & (1u << 2 | 1u << 12), 0u) << "SVM, SKINIT";
    EXPECT_EQ(extended.edx & (1u << 27), 0u) << "RDTSCP";
    EXPECT_EQ(policy.lookup(0x8000'000a, 0, state, physical).edx, 0u);
    EXPECT_EQ(policy.lookup(7, 0, state, physical).ecx & (1u << 16 | 1u << 3), 0u) << "LA57, PKU";
    EXPECT_EQ(policy.lookup(0xd, 1, state, physical).eax & (1u << 3), 0u) << "XSAVES";
    EXPECT_EQ(policy.lookup(0xd, 9, state, physical).eax, 0u) << "PKRU's area";
    EXPECT_EQ(policy.lookup(0xffff'ffff, 0, state, physical).eax, 0u);
    EXPECT_EQ(policy.lookup(0x1f, 0, state, physical).eax, 0u) << "beyond the last leaf";
}

TEST_F(PolicyTest, ConstantLeavesAgreeWithLookup) {
    const CpuidState state{0, 1, 0};
    for (u32 leaf = 0; leaf < 0x10; ++leaf)
        if (const CpuidResult* constant = policy.constant(leaf)) {
            EXPECT_EQ(constant->eax, policy.lookup(leaf, 0, state, physical).eax) << leaf;
            EXPECT_EQ(constant->edx, policy.lookup(leaf, 0, state, physical).edx) << leaf;
        }
    EXPECT_EQ(policy.constant(1), nullptr);
    EXPECT_EQ(policy.constant(0x4000'0000), nullptr);
    EXPECT_EQ(policy.constant(0x8000'0020), nullptr);
}

TEST_F(PolicyTest, MsrsNobodyNamedFault) {
    EXPECT_FALSE(read_msr(vcpu, 0xc001'0117, physical));
    EXPECT_FALSE(write_msr(vcpu, 0x1, 0, policy, physical));
    EXPECT_TRUE(read_msr(vcpu, 0x8b, physical));
    EXPECT_EQ(read_msr(vcpu, 0x1b, physical).value(), 0x77u);
}

TEST_F(PolicyTest, EferKeepsItsRules) {
    constexpr u32 efer = 0xc000'0080;
    EXPECT_FALSE(write_msr(vcpu, efer, 0x500 | 1u << 12, policy, physical)) << "SVME";
    EXPECT_FALSE(write_msr(vcpu, efer, 1u << 2, policy, physical)) << "reserved";
    ASSERT_TRUE(write_msr(vcpu, efer, 0x901, policy, physical));
    EXPECT_EQ(backend.efer_, 0xd01u) << "LMA is the CPU's";
}

TEST_F(PolicyTest, TimeStampWritesMoveTheOffset) {
    physical.time = 5000;
    ASSERT_TRUE(write_msr(vcpu, 0x10, 100, policy, physical));
    EXPECT_EQ(read_msr(vcpu, 0x10, physical).value(), 100u);
}

class Device final : public PortDevice, public MmioDevice {
  public:
    u32 read_port(Vcpu&, u16 port, u8) override { return port; }
    void write_port(Vcpu&, u16, u8, u32 value) override { last = value; }
    u64 read_mmio(Vcpu&, GuestPhysical address, u8) override { return address.raw(); }
    void write_mmio(Vcpu&, GuestPhysical, u8, u64 value) override { last = value; }
    u64 last = 0;
};

TEST_F(PolicyTest, BusRoutesWholeAccessesOnly) {
    IoBus bus;
    Device device;
    ASSERT_TRUE(bus.add_ports(0xcf8, 8, device));
    EXPECT_EQ(bus.add_ports(0xcff, 1, device).error(), BusError::overlaps);
    EXPECT_EQ(bus.add_ports(0xffff, 2, device).error(), BusError::empty);
    EXPECT_TRUE(bus.add_ports(0xffff, 1, device));
    EXPECT_EQ(bus.read_port(vcpu, 0xcfc, 4), 0xcfcu);
    EXPECT_EQ(bus.read_port(vcpu, 0xcfe, 4), ~0u) << "half outside";
    EXPECT_EQ(bus.read_port(vcpu, 0xcf0, 1), ~0u);
    bus.write_port(vcpu, 0xcf8, 4, 9);
    EXPECT_EQ(device.last, 9u);
    ASSERT_TRUE(bus.add_mmio(GuestPhysical{0x1000}, Bytes{0x1000}, device));
    EXPECT_EQ(bus.add_mmio(GuestPhysical{0x1800}, Bytes{0x1000}, device).error(),
              BusError::overlaps);
    EXPECT_TRUE(bus.find_mmio(GuestPhysical{0x1ffc}, 4));
    EXPECT_FALSE(bus.find_mmio(GuestPhysical{0x1ffd}, 4));
    EXPECT_FALSE(bus.find_mmio(GuestPhysical{0xfff}, 1));
    EXPECT_TRUE(bus.remove_mmio(GuestPhysical{0x1000}));
    EXPECT_FALSE(bus.find_mmio(GuestPhysical{0x1000}, 1));
}

} // namespace
} // namespace ravelin::hv::domain

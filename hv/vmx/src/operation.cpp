// SPDX-License-Identifier: Apache-2.0
// Entering and leaving VMX operation. [SDM vol3 24.7]
#include "hv/vmx/operation.hpp"

#include "hv/vmx/instruction.hpp"
#include "machine.hpp"

#include <algorithm>

namespace ravelin::hv::vmx {
namespace {

constexpr u32 msr_feature_control = 0x3a;
struct FeatureControl {
    using Lock = BitFlag<u64, 0>;
    using VmxOutsideSmx = BitFlag<u64, 2>;
};
constexpr u64 cr4_vmxe = u64{1} << 13;

[[nodiscard]] bool offered() {
    return BitFlag<u32, 5>::get(cpuid(1).ecx);
}

[[nodiscard]] Status<Error> allow_by_feature_control() {
    const u64 control = read_msr(msr_feature_control);
    if (FeatureControl::Lock::get(control)) {
        if (!FeatureControl::VmxOutsideSmx::get(control))
            return Failure{Error::disabled_by_firmware};
        return Unit{};
    }
    // Firmware left it open: VMXON needs it locked [SDM vol3 24.7].
    write_msr(msr_feature_control,
              control | FeatureControl::Lock::of(true) | FeatureControl::VmxOutsideSmx::of(true));
    return Unit{};
}

[[nodiscard]] CapabilityMsrs read_capabilities() {
    CapabilityMsrs msrs{};
    msrs.basic = read_msr(0x480);
    const bool true_controls = Basic::TrueControls::get(msrs.basic);
    msrs.pin_based = read_msr(true_controls ? 0x48d : 0x481);
    msrs.primary = read_msr(true_controls ? 0x48e : 0x482);
    msrs.exit = read_msr(true_controls ? 0x48f : 0x483);
    msrs.entry = read_msr(true_controls ? 0x490 : 0x484);
    msrs.cr0_fixed0 = read_msr(0x486);
    msrs.cr0_fixed1 = read_msr(0x487);
    msrs.cr4_fixed0 = read_msr(0x488);
    msrs.cr4_fixed1 = read_msr(0x489);
    // The secondary controls' MSRs exist only where the primary ones can activate them [SDM vol3
    // A.3.3].
    if (choose_control(msrs.primary, Primary::activate_secondary, 0)) {
        msrs.secondary = read_msr(0x48b);
        if (choose_control(msrs.secondary, Secondary::enable_ept, 0))
            msrs.ept_vpid = read_msr(0x48c);
    }
    return msrs;
}

} // namespace

Result<Operation, Error> Operation::enter(guest::FrameAccess& frames, HostFrame region) {
    if (!offered())
        return Failure{Error::not_offered};
    (void)RAVELIN_TRY(allow_by_feature_control());
    const CapabilityMsrs msrs = read_capabilities();
    (void)RAVELIN_TRY(choose_controls(msrs));

    const u64 cr4_before = read_cr4();
    const u64 cr0 = RAVELIN_TRY(apply_fixed_bits(read_cr0(), msrs.cr0_fixed0, msrs.cr0_fixed1));
    const u64 cr4 =
        RAVELIN_TRY(apply_fixed_bits(cr4_before | cr4_vmxe, msrs.cr4_fixed0, msrs.cr4_fixed1));
    write_cr0(cr0);
    write_cr4(cr4);

    const auto bytes = frames.bytes(region);
    std::fill(bytes.begin(), bytes.end(), u8{0});
    const u32 revision = Basic::Revision::get(msrs.basic);
    for (usize i = 0; i < sizeof(revision); ++i)
        bytes[i] = static_cast<u8>(revision >> (8 * i));
    const auto on = vmxon(region.address());
    if (!on) {
        write_cr4(cr4_before);
        return Failure{on.error()};
    }
    return Operation{msrs, cr4_before};
}

Operation::Operation(Operation&& other) noexcept
    : capabilities_{other.capabilities_}, cr4_before_{other.cr4_before_}, entered_{other.entered_} {
    other.entered_ = false;
}

Operation::~Operation() {
    if (!entered_)
        return;
    vmxoff();
    write_cr4(cr4_before_);
}

} // namespace ravelin::hv::vmx

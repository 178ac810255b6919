// SPDX-License-Identifier: Apache-2.0
#include "hv/vmx/host.hpp"

#include "hv/vmx/instruction.hpp"
#include "machine.hpp"

#include <hv/cpu/registers.hpp>

#include <algorithm>

namespace ravelin::hv::vmx {
namespace {

constexpr u32 msr_feature_control = 0x3a;
struct FeatureControl {
    using Lock = BitFlag<u64, 0>;
    using VmxInsideSmx = BitFlag<u64, 1>;
    using VmxOutsideSmx = BitFlag<u64, 2>;
};
using CpuidVmx = BitFlag<u32, 5>; // CPUID 1 ECX
using CpuidXsave = BitFlag<u32, 26>;

/// VMXON wants the MSR locked. Inside a measured environment it is the other enable bit that
/// counts; firmware that supports TXT sets both, and which of them applies VMXON itself checks.
/// [SDM vol3 24.7]
[[nodiscard]] Status<Error> allow_by_feature_control() {
    const u64 control = read_msr(msr_feature_control);
    if (!FeatureControl::Lock::get(control)) {
        write_msr(msr_feature_control,
                  control | FeatureControl::Lock::of(true) |
                      FeatureControl::VmxOutsideSmx::of(true));
        return Unit{};
    }
    if (!FeatureControl::VmxOutsideSmx::get(control) && !FeatureControl::VmxInsideSmx::get(control))
        return Failure{Error::disabled_by_firmware};
    return Unit{};
}

[[nodiscard]] CapabilityMsrs read_capabilities() {
    CapabilityMsrs msrs{};
    msrs.basic = read_msr(0x480);
    msrs.misc = read_msr(0x485);
    const bool true_controls = Basic::TrueControls::get(msrs.basic);
    msrs.pin_based = read_msr(true_controls ? 0x48d : 0x481);
    msrs.primary = read_msr(true_controls ? 0x48e : 0x482);
    msrs.exit = read_msr(true_controls ? 0x48f : 0x483);
    msrs.entry = read_msr(true_controls ? 0x490 : 0x484);
    msrs.cr0_fixed0 = read_msr(0x486);
    msrs.cr0_fixed1 = read_msr(0x487);
    msrs.cr4_fixed0 = read_msr(0x488);
    msrs.cr4_fixed1 = read_msr(0x489);
    // These two exist only where the controls that they describe do. [SDM vol3 A.3.3, A.10]
    if (choose_control(msrs.primary, {.needed = Primary::activate_secondary})) {
        msrs.secondary = read_msr(0x48b);
        if (choose_control(msrs.secondary, {.needed = Secondary::enable_ept}))
            msrs.ept_vpid = read_msr(0x48c);
    }
    return msrs;
}

} // namespace

bool offered() {
    return CpuidVmx::get(cpuid(1).ecx);
}

Status<Error> Host::enable(TableMemory& frames, u64 longest_run) {
    if (!offered())
        return Failure{Error::not_offered};
    (void)RAVELIN_TRY(allow_by_feature_control());
    capabilities_ = read_capabilities();
    controls_ = RAVELIN_TRY(choose_controls(capabilities_));
    (void)RAVELIN_TRY(make_ept_pointer(capabilities_.ept_vpid, HostPhysical{0}));
    has_xsave_ = CpuidXsave::get(cpuid(1).ecx);
    if ((controls_.pin_based & PinBased::preemption_timer) != 0)
        preemption_timer_ = static_cast<u32>(std::clamp<u64>(
            longest_run >> Misc::PreemptionTimerShift::get(capabilities_.misc), 1, ~u32{0}));

    cr4_before_ = read_cr4();
    // Firmware may have left the caches off; VMX operation does not want them so, nor do we.
    const u64 cr0_now =
        read_cr0() & ~(cpu::Cr0::CacheDisable::mask | cpu::Cr0::NotWriteThrough::mask);
    const u64 cr0 =
        RAVELIN_TRY(apply_fixed_bits(cr0_now, capabilities_.cr0_fixed0, capabilities_.cr0_fixed1));
    const u64 cr4 = RAVELIN_TRY(apply_fixed_bits(cr4_before_ | cpu::Cr4::VmxEnable::mask |
                                                     cpu::Cr4::OsXsave::of(has_xsave_),
                                                 capabilities_.cr4_fixed0,
                                                 capabilities_.cr4_fixed1));
    const auto region = frames.allocate();
    if (!region)
        return Failure{Error::out_of_frames};
    frames.page(region.value())[0] = revision();
    write_cr0(cr0);
    write_cr4(cr4);
    if (const auto on = vmxon(region.value().address()); !on) {
        write_cr4(cr4_before_);
        frames.release(region.value());
        return Failure{on.error()};
    }
    return Unit{};
}

void Host::leave() {
    vmxoff();
    write_cr4(cr4_before_);
}

u16 Host::take_vpid() {
    if ((controls_.secondary & Secondary::enable_vpid) == 0)
        return 0;
    // VPID 0 is the host's. [SDM vol3 29.1]
    if (++last_vpid_ == 0) {
        last_vpid_ = 1;
        ++generation_;
    }
    return last_vpid_;
}

Status<Error> forget_vpid(const CapabilityMsrs& capabilities, u16 vpid) {
    return invvpid(can_invalidate_one_vpid(capabilities.ept_vpid) ? InvvpidType::single_context
                                                                  : InvvpidType::all_contexts,
                   vpid);
}

} // namespace ravelin::hv::vmx

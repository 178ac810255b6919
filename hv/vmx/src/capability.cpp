// SPDX-License-Identifier: Apache-2.0
// Control words from capability MSRs. [SDM vol3 appendix A]
#include "hv/vmx/capability.hpp"

namespace ravelin::hv::vmx {

namespace {
struct EptVpid {
    using PageWalk4 = BitFlag<u64, 6>;
    using WriteBack = BitFlag<u64, 14>;
    using Invept = BitFlag<u64, 20>;
    using InveptSingle = BitFlag<u64, 25>;
};
struct EptPointer {
    using MemoryType = BitField<u64, 2, 0>;
    using WalkLengthLessOne = BitField<u64, 5, 3>;
};
constexpr u64 memory_type_write_back = 6;
} // namespace

Result<u32, Error> choose_control(u64 capability, u32 needed, u32 welcome) {
    const u32 must_be_one = static_cast<u32>(capability);
    const u32 may_be_one = static_cast<u32>(capability >> 32);
    if ((needed & ~may_be_one) != 0)
        return Failure{Error::control_not_offered};
    return must_be_one | needed | (welcome & may_be_one);
}

Result<Controls, Error> choose_controls(const CapabilityMsrs& msrs) {
    Controls out{};
    out.pin_based = RAVELIN_TRY(choose_control(
        msrs.pin_based, PinBased::external_interrupt_exiting | PinBased::nmi_exiting, 0));
    out.primary =
        RAVELIN_TRY(choose_control(msrs.primary,
                                   Primary::use_tsc_offsetting | Primary::hlt_exiting |
                                       Primary::use_tpr_shadow | Primary::unconditional_io_exiting |
                                       Primary::use_msr_bitmaps | Primary::activate_secondary,
                                   0));
    out.secondary = RAVELIN_TRY(choose_control(
        msrs.secondary,
        Secondary::enable_ept | Secondary::unrestricted_guest,
        Secondary::enable_rdtscp | Secondary::enable_invpcid | Secondary::enable_xsaves));
    out.exit = RAVELIN_TRY(choose_control(msrs.exit,
                                          ExitControl::host_address_space_size |
                                              ExitControl::save_pat | ExitControl::load_pat |
                                              ExitControl::save_efer | ExitControl::load_efer,
                                          0));
    out.entry = RAVELIN_TRY(
        choose_control(msrs.entry, EntryControl::load_pat | EntryControl::load_efer, 0));
    return out;
}

Result<u64, Error> make_ept_pointer(u64 ept_vpid_capability, HostPhysical root) {
    if (!EptVpid::PageWalk4::get(ept_vpid_capability) ||
        !EptVpid::WriteBack::get(ept_vpid_capability) ||
        !EptVpid::Invept::get(ept_vpid_capability) ||
        !EptVpid::InveptSingle::get(ept_vpid_capability))
        return Failure{Error::ept_not_offered};
    return root.raw() | EptPointer::MemoryType::of(memory_type_write_back) |
           EptPointer::WalkLengthLessOne::of(3);
}

Result<u64, Error> apply_fixed_bits(u64 value, u64 fixed0, u64 fixed1) {
    const u64 legal = value | fixed0;
    if ((legal & ~fixed1) != 0)
        return Failure{Error::cr_fixed_bits};
    return legal;
}

} // namespace ravelin::hv::vmx

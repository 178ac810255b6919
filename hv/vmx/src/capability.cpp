// SPDX-License-Identifier: Apache-2.0
// Control words from capability MSRs. [SDM vol3 appendix A]
#include "hv/vmx/capability.hpp"

namespace ravelin::hv::vmx {

namespace {
struct EptVpid { // [SDM vol3 A.10]
    using PageWalk4 = BitFlag<u64, 6>;
    using WriteBack = BitFlag<u64, 14>;
    using Pages2Mb = BitFlag<u64, 16>;
    using Pages1Gb = BitFlag<u64, 17>;
    using Invept = BitFlag<u64, 20>;
    using InveptSingle = BitFlag<u64, 25>;
    using Invvpid = BitFlag<u64, 32>;
    using InvvpidSingle = BitFlag<u64, 41>;
    using InvvpidAll = BitFlag<u64, 42>;
};
struct EptPointer {
    using MemoryType = BitField<u64, 2, 0>;
    using WalkLengthLessOne = BitField<u64, 5, 3>;
};
constexpr u64 memory_type_write_back = 6;

constexpr Wish pin_based{.needed = PinBased::external_interrupt_exiting | PinBased::nmi_exiting,
                         .welcome = PinBased::virtual_nmis | PinBased::preemption_timer};
// Exits that nothing above has an answer to must not be forced on: they were, before true controls.
constexpr Wish primary{
    .needed = Primary::use_tsc_offsetting | Primary::hlt_exiting | Primary::mwait_exiting |
              Primary::rdpmc_exiting | Primary::use_tpr_shadow | Primary::use_io_bitmaps |
              Primary::use_msr_bitmaps | Primary::monitor_exiting | Primary::activate_secondary,
    .refused = Primary::invlpg_exiting | Primary::rdtsc_exiting | Primary::cr3_load_exiting |
               Primary::cr3_store_exiting | Primary::cr8_load_exiting | Primary::cr8_store_exiting |
               Primary::mov_dr_exiting};
constexpr Wish secondary{.needed = Secondary::enable_ept | Secondary::unrestricted_guest,
                         .welcome = Secondary::enable_vpid | Secondary::encls_exiting};
constexpr Wish exit_control{
    .needed = ExitControl::save_debug_controls | ExitControl::host_address_space_size |
              ExitControl::save_pat | ExitControl::load_pat | ExitControl::save_efer |
              ExitControl::load_efer,
    // The host takes its interrupts itself; the timer starts afresh at each entry.
    .refused = ExitControl::acknowledge_interrupt | ExitControl::save_preemption_timer};
constexpr Wish entry_control{.needed = EntryControl::load_debug_controls | EntryControl::load_pat |
                                       EntryControl::load_efer};
} // namespace

Result<u32, Error> choose_control(u64 capability, Wish wish) {
    const u32 must_be_one = static_cast<u32>(capability);
    const u32 may_be_one = static_cast<u32>(capability >> 32);
    if ((wish.needed & ~may_be_one) != 0 || (wish.refused & must_be_one) != 0)
        return Failure{Error::control_not_offered};
    return must_be_one | wish.needed | (wish.welcome & may_be_one);
}

Result<Controls, Error> choose_controls(const CapabilityMsrs& msrs) {
    if (!Basic::InsOutsInformation::get(msrs.basic))
        return Failure{Error::control_not_offered};
    Controls out{};
    out.pin_based = RAVELIN_TRY(choose_control(msrs.pin_based, pin_based));
    out.primary = RAVELIN_TRY(choose_control(msrs.primary, primary));
    out.secondary = RAVELIN_TRY(choose_control(msrs.secondary, secondary));
    if (!can_invalidate_vpids(msrs.ept_vpid))
        out.secondary &= ~Secondary::enable_vpid;
    out.exit = RAVELIN_TRY(choose_control(msrs.exit, exit_control));
    out.entry = RAVELIN_TRY(choose_control(msrs.entry, entry_control));
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

stage2::Layout ept_layout(u64 ept_vpid_capability) {
    stage2::LargestPage largest = stage2::LargestPage::size_4k;
    if (EptVpid::Pages2Mb::get(ept_vpid_capability))
        largest = EptVpid::Pages1Gb::get(ept_vpid_capability) ? stage2::LargestPage::size_1g
                                                              : stage2::LargestPage::size_2m;
    return {stage2::Format::extended_page_tables, largest};
}

bool can_invalidate_one_vpid(u64 ept_vpid_capability) {
    return EptVpid::Invvpid::get(ept_vpid_capability) &&
           EptVpid::InvvpidSingle::get(ept_vpid_capability);
}

bool can_invalidate_vpids(u64 ept_vpid_capability) {
    return EptVpid::Invvpid::get(ept_vpid_capability) &&
           (EptVpid::InvvpidSingle::get(ept_vpid_capability) ||
            EptVpid::InvvpidAll::get(ept_vpid_capability));
}

Result<u64, Error> apply_fixed_bits(u64 value, u64 fixed0, u64 fixed1) {
    const u64 legal = value | fixed0;
    if ((legal & ~fixed1) != 0)
        return Failure{Error::cr_fixed_bits};
    return legal;
}

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// What this CPU's VMX can do: the capability MSRs decoded, and control words chosen from what is
// needed, what would be welcome, and what the CPU allows. Pure functions of MSR values. [SDM vol3
// appendix A]
#pragma once

#include <base/bits.hpp>
#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/stage2/page_table.hpp>
#include <hv/vmx/error.hpp>

namespace ravelin::hv::vmx {

/// The MSRs that say what VMX can do, as read.
struct CapabilityMsrs {
    u64 basic;      ///< IA32_VMX_BASIC, 0x480
    u64 misc;       ///< 0x485
    u64 pin_based;  ///< IA32_VMX_TRUE_PINBASED_CTLS 0x48d, or 0x481
    u64 primary;    ///< 0x48e or 0x482
    u64 secondary;  ///< 0x48b
    u64 exit;       ///< 0x48f or 0x483
    u64 entry;      ///< 0x490 or 0x484
    u64 cr0_fixed0; ///< 0x486
    u64 cr0_fixed1; ///< 0x487
    u64 cr4_fixed0; ///< 0x488
    u64 cr4_fixed1; ///< 0x489
    u64 ept_vpid;   ///< 0x48c
};

struct Basic {
    using Revision = BitField<u64, 30, 0, u32>;
    using RegionSize = BitField<u64, 44, 32, u32>;
    using MemoryType = BitField<u64, 53, 50, u8>;
    using InsOutsInformation = BitFlag<u64, 54>;
    using TrueControls = BitFlag<u64, 55>;
};
struct Misc {
    using PreemptionTimerShift = BitField<u64, 4, 0, u8>;
};

struct PinBased {
    static constexpr u32 external_interrupt_exiting = 1u << 0;
    static constexpr u32 nmi_exiting = 1u << 3;
    static constexpr u32 virtual_nmis = 1u << 5;
    static constexpr u32 preemption_timer = 1u << 6;
};
struct Primary {
    static constexpr u32 interrupt_window_exiting = 1u << 2;
    static constexpr u32 use_tsc_offsetting = 1u << 3;
    static constexpr u32 hlt_exiting = 1u << 7;
    static constexpr u32 invlpg_exiting = 1u << 9;
    static constexpr u32 mwait_exiting = 1u << 10;
    static constexpr u32 rdpmc_exiting = 1u << 11;
    static constexpr u32 rdtsc_exiting = 1u << 12;
    static constexpr u32 cr3_load_exiting = 1u << 15;
    static constexpr u32 cr3_store_exiting = 1u << 16;
    static constexpr u32 cr8_load_exiting = 1u << 19;
    static constexpr u32 cr8_store_exiting = 1u << 20;
    static constexpr u32 use_tpr_shadow = 1u << 21;
    static constexpr u32 mov_dr_exiting = 1u << 23;
    static constexpr u32 unconditional_io_exiting = 1u << 24;
    static constexpr u32 use_io_bitmaps = 1u << 25;
    static constexpr u32 use_msr_bitmaps = 1u << 28;
    static constexpr u32 monitor_exiting = 1u << 29;
    static constexpr u32 pause_exiting = 1u << 30;
    static constexpr u32 activate_secondary = 1u << 31;
};
/// Not asked for, so that what CPUID hides from guests raises #UD: RDTSCP, INVPCID, XSAVES.
struct Secondary {
    static constexpr u32 enable_ept = 1u << 1;
    static constexpr u32 enable_vpid = 1u << 5;
    static constexpr u32 unrestricted_guest = 1u << 7;
    static constexpr u32 pause_loop_exiting = 1u << 10;
    static constexpr u32 encls_exiting = 1u << 15;
};
struct ExitControl {
    static constexpr u32 save_debug_controls = 1u << 2;
    static constexpr u32 host_address_space_size = 1u << 9;
    static constexpr u32 acknowledge_interrupt = 1u << 15;
    static constexpr u32 save_pat = 1u << 18;
    static constexpr u32 load_pat = 1u << 19;
    static constexpr u32 save_efer = 1u << 20;
    static constexpr u32 load_efer = 1u << 21;
    static constexpr u32 save_preemption_timer = 1u << 22;
};
struct EntryControl {
    static constexpr u32 load_debug_controls = 1u << 2;
    static constexpr u32 ia32e_mode_guest = 1u << 9;
    static constexpr u32 load_pat = 1u << 14;
    static constexpr u32 load_efer = 1u << 15;
};

/// The control words that this back end uses on this CPU.
struct Controls {
    u32 pin_based;
    u32 primary;
    u32 secondary;
    u32 exit;
    u32 entry;
};

/// What a control word must have, may have, and must not have.
struct Wish {
    u32 needed;
    u32 welcome{};
    u32 refused{};
};

/// One control word: `needed` bits on, `welcome` bits on where allowed, the rest at what the CPU
/// forces, which may be none of `refused`. The low half of the MSR is what must be one, the high
/// half what may be one. [SDM vol3 A.3.1]
[[nodiscard]] Result<u32, Error> choose_control(u64 capability, Wish wish);

/// All control words, or the first reason why not.
[[nodiscard]] Result<Controls, Error> choose_controls(const CapabilityMsrs& msrs);

/// The EPT pointer of a 4-level, write-back table at root. [SDM vol3 25.6.11]
[[nodiscard]] Result<u64, Error> make_ept_pointer(u64 ept_vpid_capability, HostPhysical root);

/// What EPT tables may look like. [SDM vol3 A.10]
[[nodiscard]] stage2::Layout ept_layout(u64 ept_vpid_capability);

/// Whether INVVPID can drop one VPID, or all; without either, VPIDs are not used.
[[nodiscard]] bool can_invalidate_vpids(u64 ept_vpid_capability);
[[nodiscard]] bool can_invalidate_one_vpid(u64 ept_vpid_capability);

/// A CR0 or CR4 value made legal in VMX operation; an error when `value` sets a bit that must be
/// zero.
[[nodiscard]] Result<u64, Error> apply_fixed_bits(u64 value, u64 fixed0, u64 fixed1);

} // namespace ravelin::hv::vmx

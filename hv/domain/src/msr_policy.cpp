// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/cpuid_policy.hpp>
#include <hv/domain/msr_policy.hpp>
#include <hv/domain/physical_cpu.hpp>
#include <hv/domain/vcpu.hpp>

#include <array>

namespace ravelin::hv::domain {

namespace {

constexpr u32 msr_tsc = 0x10;
constexpr u32 msr_apic_base = 0x1b;
constexpr u32 msr_efer = 0xc000'0080;
constexpr u32 x2apic_first = 0x800;
constexpr u32 x2apic_last = 0x8ff;
constexpr u32 guest_abi_first = 0x4000'0000;
constexpr u32 guest_abi_last = 0x4000'00ff;

/// Read as a constant; a write changes nothing.
struct Fixed {
    u32 msr;
    u64 value;
};
constexpr std::array fixed_msrs{
    Fixed{0x8b, 0},          // microcode revision
    Fixed{0x17, 0},          // platform id
    Fixed{0x3a, 1},          // feature control: locked, no VMX, no SMX
    Fixed{0x1a0, 0},         // MISC_ENABLE
    Fixed{0x1d9, 0},         // DEBUGCTL
    Fixed{0xc001'0010, 0},   // SYSCFG
    Fixed{0xc001'0015, 0},   // HWCR
    Fixed{0xc001'001f, 0},   // NB_CFG
    Fixed{0xc001'1020, 0},   // LS_CFG
    Fixed{0xc001'1022, 0},   // DC_CFG
    Fixed{0xc001'1029, 0x2}, // DE_CFG: LFENCE is serialising
};

bool is_local_apic(u32 msr) {
    return msr == msr_apic_base || (msr >= x2apic_first && msr <= x2apic_last);
}

Status<MsrFault> write_efer(Vcpu& vcpu, u64 value, const CpuidPolicy& policy) {
    using Active = cpu::Efer::LongModeActive;
    using Enable = cpu::Efer::LongModeEnable;
    const u64 old = vcpu.cpu().efer();
    if ((value & ~(policy.efer_mask() | Active::mask)) != 0)
        return Failure{MsrFault{}};
    // LME may not change while paging is on. [AMD APM vol2 14.6.1]
    if (Enable::get(value) != Enable::get(old) &&
        cpu::Cr0::Paging::get(vcpu.cpu().paging_state().cr0))
        return Failure{MsrFault{}};
    vcpu.cpu().set_efer(Active::set(value, Active::get(old)));
    return Unit{};
}

} // namespace

Result<u64, MsrFault> read_msr(Vcpu& vcpu, u32 msr, const PhysicalCpu& physical) {
    if (is_local_apic(msr)) {
        const auto value = vcpu.lapic().read_msr(msr, physical.now());
        if (!value)
            return Failure{MsrFault{}};
        return *value;
    }
    if (msr == msr_efer)
        return vcpu.cpu().efer();
    if (msr == msr_tsc)
        return physical.now().raw() + vcpu.cpu().tsc_offset();
    for (const Fixed& fixed : fixed_msrs)
        if (fixed.msr == msr)
            return fixed.value;
    return Failure{MsrFault{}};
}

Status<MsrFault>
write_msr(Vcpu& vcpu, u32 msr, u64 value, const CpuidPolicy& policy, const PhysicalCpu& physical) {
    if (is_local_apic(msr)) {
        if (!vcpu.lapic().write_msr(msr, value, physical.now()))
            return Failure{MsrFault{}};
        return Unit{};
    }
    if (msr == msr_efer)
        return write_efer(vcpu, value, policy);
    if (msr == msr_tsc) {
        vcpu.cpu().set_tsc_offset(value - physical.now().raw());
        return Unit{};
    }
    if (msr >= guest_abi_first && msr <= guest_abi_last) {
        if (vcpu.domain().guest_abi().write_msr(vcpu, msr, value) != MsrOutcome::done)
            return Failure{MsrFault{}};
        return Unit{};
    }
    for (const Fixed& fixed : fixed_msrs)
        if (fixed.msr == msr)
            return Unit{};
    return Failure{MsrFault{}};
}

} // namespace ravelin::hv::domain

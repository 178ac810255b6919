// SPDX-License-Identifier: Apache-2.0
#include <hv/cpu/registers.hpp>
#include <hv/domain/cpuid_policy.hpp>
#include <hv/domain/physical_cpu.hpp>

#include <algorithm>
#include <initializer_list>

namespace ravelin::hv::domain {

namespace {

constexpr u32 bits(std::initializer_list<unsigned> numbers) {
    u32 out = 0;
    for (const unsigned n : numbers)
        out |= u32{1} << n;
    return out;
}

// Leaf 1. Without MTRR and MCA: memory types are the stage-2 table's, machine checks the host's.
constexpr u32 leaf1_edx = bits({0,    // FPU
                                1,    // VME
                                2,    // DE
                                3,    // PSE
                                4,    // TSC
                                5,    // MSR
                                6,    // PAE
                                8,    // CX8
                                9,    // APIC
                                11,   // SEP
                                13,   // PGE
                                15,   // CMOV
                                16,   // PAT
                                17,   // PSE36
                                19,   // CLFSH
                                23,   // MMX
                                24,   // FXSR
                                25,   // SSE
                                26}); // SSE2
constexpr u32 leaf1_ecx = bits({0,    // SSE3
                                1,    // PCLMULQDQ
                                9,    // SSSE3
                                12,   // FMA
                                13,   // CX16
                                19,   // SSE4.1
                                20,   // SSE4.2
                                22,   // MOVBE
                                23,   // POPCNT
                                25,   // AES
                                26,   // XSAVE
                                28,   // AVX
                                29,   // F16C
                                30}); // RDRAND
constexpr u32 leaf1_ecx_x2apic = bits({21});
constexpr u32 leaf1_ecx_osxsave = bits({27});
constexpr u32 leaf1_ecx_hypervisor = bits({31});
constexpr u32 leaf1_ecx_xsave = bits({26});

constexpr u32 leaf7_ebx = bits({0,                               // FSGSBASE
                                3,                               // BMI1
                                5,                               // AVX2
                                7,                               // SMEP
                                8,                               // BMI2
                                9,                               // ERMS
                                16,                              // AVX512F
                                17,                              // AVX512DQ
                                18,                              // RDSEED
                                19,                              // ADX
                                20,                              // SMAP
                                21,                              // AVX512_IFMA
                                23,                              // CLFLUSHOPT
                                24,                              // CLWB
                                28,                              // AVX512CD
                                29,                              // SHA
                                30,                              // AVX512BW
                                31});                            // AVX512VL
constexpr u32 leaf7_ecx = bits({1, 2, 6, 8, 9, 10, 11, 12, 14}); // VBMI, UMIP, vector extensions
constexpr u32 leaf7_edx = bits({4});                             // fast short REP MOV

constexpr u32 leafd1_eax = bits({0, 1, 2}); // XSAVEOPT, XSAVEC, XGETBV 1; no XSAVES

// 8000_0001h. Without SVM, RDTSCP (TSC_AUX is not switched), topology extensions, IBS, watchdogs.
constexpr u32 extended1_ecx = bits({0,   // LAHF in long mode
                                    4,   // CR8 in legacy mode
                                    5,   // LZCNT
                                    6,   // SSE4A
                                    7,   // misaligned SSE
                                    8}); // PREFETCH
constexpr u32 extended1_edx =
    bits({0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 15, 16, 17, 20, 22, 23, 24, 25, 26, 29});
constexpr u32 extended7_edx = bits({8});    // invariant TSC
constexpr u32 extended8_ebx = bits({0, 2}); // CLZERO, XSAVE error pointers
constexpr u32 extended_nx = bits({20});
constexpr u32 extended_syscall = bits({11});
constexpr u32 extended_long_mode = bits({29});

constexpr u32 physical_address_bits_limit = 48;

} // namespace

CpuidPolicy::CpuidPolicy(const PhysicalCpu& cpu) {
    const u32 last = std::min<u32>(cpu.native_cpuid(0, 0).eax, 0xd);
    const CpuidResult one = cpu.native_cpuid(1, 0);
    basic_[0] = cpu.native_cpuid(0, 0);
    basic_[0].eax = last;
    basic_[1].eax = one.eax;
    basic_[1].ebx = one.ebx & 0x0000'ff00; // CLFLUSH size; APIC id and count are the guest's
    basic_[1].ecx = (one.ecx & leaf1_ecx) | leaf1_ecx_x2apic | leaf1_ecx_hypervisor;
    basic_[1].edx = one.edx & leaf1_edx;
    if (last >= 2)
        basic_[2] = cpu.native_cpuid(2, 0);
    if (last >= 7) {
        const CpuidResult seven = cpu.native_cpuid(7, 0);
        basic_[7] = {0, seven.ebx & leaf7_ebx, seven.ecx & leaf7_ecx, seven.edx & leaf7_edx};
    }
    if (last >= 0xd && (one.ecx & leaf1_ecx_xsave) != 0) {
        const CpuidResult sizes = cpu.native_cpuid(0xd, 0);
        xcr0_mask_ = (u64{sizes.edx} << 32 | sizes.eax) & cpu::xcr0_allowed;
    }

    const u32 last_extended = std::min<u32>(cpu.native_cpuid(extended_base, 0).eax, 0x8000'0008);
    for (u32 leaf = extended_base; leaf <= last_extended; ++leaf)
        extended_[leaf - extended_base] = cpu.native_cpuid(leaf, 0);
    extended_[0].eax = last_extended;
    CpuidResult& features = extended_[1];
    features.ecx &= extended1_ecx;
    features.edx &= extended1_edx;
    extended_[7] = {0, 0, 0, extended_[7].edx & extended7_edx};
    CpuidResult& sizes = extended_[8];
    const u32 physical_bits = std::min<u32>(sizes.eax & 0xff, physical_address_bits_limit);
    sizes = {physical_bits | 48u << 8, sizes.ebx & extended8_ebx, 0, 0};

    const auto allow = [this](bool present, auto flag) {
        if (present)
            efer_mask_ |= decltype(flag)::mask;
    };
    allow((features.edx & extended_syscall) != 0, cpu::Efer::SystemCallEnable{});
    allow((features.edx & extended_long_mode) != 0, cpu::Efer::LongModeEnable{});
    allow((features.edx & extended_nx) != 0, cpu::Efer::NoExecuteEnable{});
}

CpuidResult
CpuidPolicy::lookup(u32 leaf, u32 subleaf, const CpuidState& state, const PhysicalCpu& cpu) const {
    if (leaf >= extended_base)
        return leaf - extended_base < extended_leaves ? extended_[leaf - extended_base]
                                                      : CpuidResult{};
    if (leaf > basic_[0].eax)
        return {};
    CpuidResult out = basic_[leaf];
    switch (leaf) {
    case 1:
        out.ebx |= state.apic_id << 24 | (state.vcpus & 0xff) << 16;
        if (cpu::Cr4::OsXsave::get(state.cr4))
            out.ecx |= leaf1_ecx_osxsave;
        return out;
    case 7:
        return subleaf == 0 ? out : CpuidResult{};
    case 0xb: {
        // One thread a core, all cores in one package. [SDM vol2 CPUID leaf 0Bh]
        const u32 width =
            state.vcpus <= 1 ? 0 : 32u - static_cast<u32>(__builtin_clz(state.vcpus - 1));
        if (subleaf == 0)
            return {0, 1, 0x100, state.apic_id};
        if (subleaf == 1)
            return {width, state.vcpus, 0x201, state.apic_id};
        return {0, 0, subleaf & 0xff, state.apic_id};
    }
    case 0xd: {
        if (subleaf == 0) {
            const CpuidResult native = cpu.native_cpuid(0xd, 0);
            return {static_cast<u32>(xcr0_mask_),
                    native.ebx,
                    native.ecx,
                    static_cast<u32>(xcr0_mask_ >> 32)};
        }
        const CpuidResult native = cpu.native_cpuid(0xd, subleaf);
        if (subleaf == 1)
            return {native.eax & leafd1_eax, native.ebx, 0, 0};
        return subleaf < 64 && (xcr0_mask_ >> subleaf & 1) != 0 ? native : CpuidResult{};
    }
    default:
        return out;
    }
}

} // namespace ravelin::hv::domain

// SPDX-License-Identifier: Apache-2.0
// The virtual machine control block, in the order of the manual. [AMD APM vol2 appendix B, tables
// B-1 and B-2] Fields the hypervisor does not use are reserved space and stay zero.
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>
#include <hv/cpu/registers.hpp>

#include <array>
#include <cstddef>

namespace ravelin::hv::svm {

/// Intercept vector 3 (offset 00Ch), low word of the instruction intercepts. [AMD APM vol2 B-1]
struct Intercept1 {
    using Intr = BitFlag<u32, 0>;
    using Nmi = BitFlag<u32, 1>;
    using Init = BitFlag<u32, 3>;
    using Vintr = BitFlag<u32, 4>;
    using Rdpmc = BitFlag<u32, 15>;
    using Cpuid = BitFlag<u32, 18>;
    using Rsm = BitFlag<u32, 19>;
    using Iret = BitFlag<u32, 20>;
    using Invd = BitFlag<u32, 22>;
    using Pause = BitFlag<u32, 23>;
    using Hlt = BitFlag<u32, 24>;
    using Invlpga = BitFlag<u32, 26>;
    using IoioProt = BitFlag<u32, 27>;
    using MsrProt = BitFlag<u32, 28>;
    using TaskSwitch = BitFlag<u32, 29>;
    using FerrFreeze = BitFlag<u32, 30>;
    using Shutdown = BitFlag<u32, 31>;
};

/// Intercept vector 4 (offset 010h).
struct Intercept2 {
    using Vmrun = BitFlag<u32, 0>;
    using Vmmcall = BitFlag<u32, 1>;
    using Vmload = BitFlag<u32, 2>;
    using Vmsave = BitFlag<u32, 3>;
    using Stgi = BitFlag<u32, 4>;
    using Clgi = BitFlag<u32, 5>;
    using Skinit = BitFlag<u32, 6>;
    using Monitor = BitFlag<u32, 10>;
    using Mwait = BitFlag<u32, 11>;
    using Xsetbv = BitFlag<u32, 13>;
    using Rdpru = BitFlag<u32, 14>;
};

/// Virtual interrupt control (offset 060h).
struct VirtualInterrupt {
    using Tpr = BitField<u64, 7, 0, u8>;
    using Irq = BitFlag<u64, 8>;
    using Priority = BitField<u64, 19, 16, u8>;
    using IgnoreTpr = BitFlag<u64, 20>;
    using Masking = BitFlag<u64, 24>;
    using Vector = BitField<u64, 39, 32, u8>;
};

/// EVENTINJ and EXITINTINFO. [AMD APM vol2 15.20]
struct Event {
    enum class Type : u8 { external_interrupt = 0, nmi = 2, exception = 3, software_interrupt = 4 };
    using Vector = BitField<u64, 7, 0, u8>;
    using TypeField = BitField<u64, 10, 8, Type>;
    using ErrorCodeValid = BitFlag<u64, 11>;
    using Valid = BitFlag<u64, 31>;
    using ErrorCode = BitField<u64, 63, 32, u32>;
};

/// VMCB clean bits: a set bit promises that the group was not written since the last exit.
/// [AMD APM vol2 15.15.3]
enum class Clean : u32 {
    intercepts = 1u << 0,
    permission_maps = 1u << 1,
    asid = 1u << 2,
    interrupt_control = 1u << 3,
    nested_paging = 1u << 4,
    control_registers = 1u << 5,
    descriptor_tables = 1u << 7,
    segments = 1u << 8,
    cr2 = 1u << 9,
};
constexpr u32 all_clean = 0x3bf;

enum class TlbControl : u8 { nothing = 0, flush_all = 1 };

enum class ExitCode : u64 {
    exception_first = 0x40,
    exception_debug = 0x41,
    exception_undefined_opcode = 0x46,
    exception_alignment_check = 0x51,
    exception_machine_check = 0x52,
    intr = 0x60,
    nmi = 0x61,
    init = 0x63,
    vintr = 0x64,
    rdpmc = 0x6f,
    cpuid = 0x72,
    rsm = 0x73,
    iret = 0x74,
    invd = 0x76,
    pause = 0x77,
    hlt = 0x78,
    invlpga = 0x7a,
    ioio = 0x7b,
    msr = 0x7c,
    task_switch = 0x7d,
    ferr_freeze = 0x7e,
    shutdown = 0x7f,
    vmrun = 0x80,
    vmmcall = 0x81,
    vmload = 0x82,
    vmsave = 0x83,
    stgi = 0x84,
    clgi = 0x85,
    skinit = 0x86,
    monitor = 0x8a,
    mwait = 0x8b,
    mwait_conditional = 0x8c,
    xsetbv = 0x8d,
    rdpru = 0x8e,
    npf = 0x400,
    invalid = ~u64{0},
};

/// EXITINFO1 of an IOIO exit. [AMD APM vol2 15.10.2]
struct IoInfo {
    using In = BitFlag<u64, 0>;
    using String = BitFlag<u64, 2>;
    using Repeat = BitFlag<u64, 3>;
    using Size = BitField<u64, 6, 4, u8>; ///< 1, 2 or 4: the bytes
    using Address16 = BitFlag<u64, 7>;
    using Address32 = BitFlag<u64, 8>;
    using Port = BitField<u64, 31, 16, u16>;
};

/// EXITINFO1 of a nested page fault. [AMD APM vol2 15.25.6]
struct NestedFaultInfo {
    using Write = BitFlag<u64, 1>;
    using InstructionFetch = BitFlag<u64, 4>;
    using DuringPageWalk = BitFlag<u64, 33>;
};

struct ControlArea {
    u16 cr_reads;
    u16 cr_writes;
    u16 dr_reads;
    u16 dr_writes;
    u32 exceptions;
    u32 intercept1;
    u32 intercept2;
    u32 intercept3;
    std::array<u8, 0x024> reserved_018;
    u16 pause_filter_threshold;
    u16 pause_filter_count;
    u64 iopm_base_pa;
    u64 msrpm_base_pa;
    u64 tsc_offset;
    u32 guest_asid;
    TlbControl tlb_control;
    std::array<u8, 3> reserved_05d;
    u64 virtual_interrupt;
    u64 interrupt_shadow; ///< bit 0
    ExitCode exitcode;
    u64 exitinfo1;
    u64 exitinfo2;
    u64 exitintinfo;
    u64 np_enable; ///< bit 0
    std::array<u8, 0x010> reserved_098;
    u64 eventinj;
    u64 n_cr3;
    u64 lbr_virtualization;
    u64 vmcb_clean;
    u64 nrip;
    std::array<u8, 0x330> reserved_0d0;
};

struct StateSaveArea {
    std::array<cpu::Segment, 10> segments; ///< in the order of cpu::SegmentName
    std::array<u8, 0x02b> reserved_0a0;
    u8 cpl;
    std::array<u8, 0x004> reserved_0cc;
    u64 efer;
    std::array<u8, 0x070> reserved_0d8;
    u64 cr4;
    u64 cr3;
    u64 cr0;
    u64 dr7;
    u64 dr6;
    u64 rflags;
    u64 rip;
    std::array<u8, 0x058> reserved_180;
    u64 rsp;
    std::array<u8, 0x018> reserved_1e0;
    u64 rax;
    u64 star;
    u64 lstar;
    u64 cstar;
    u64 sfmask;
    u64 kernel_gs_base;
    u64 sysenter_cs;
    u64 sysenter_esp;
    u64 sysenter_eip;
    u64 cr2;
    std::array<u8, 0x020> reserved_248;
    u64 g_pat;
    std::array<u8, 0x990> reserved_270;
};

struct Vmcb {
    ControlArea control;
    StateSaveArea save;
};

static_assert(sizeof(cpu::Segment) == 16);
static_assert(sizeof(Vmcb) == page_size);
static_assert(offsetof(ControlArea, exceptions) == 0x008);
static_assert(offsetof(ControlArea, pause_filter_threshold) == 0x03c);
static_assert(offsetof(ControlArea, iopm_base_pa) == 0x040);
static_assert(offsetof(ControlArea, tsc_offset) == 0x050);
static_assert(offsetof(ControlArea, guest_asid) == 0x058);
static_assert(offsetof(ControlArea, tlb_control) == 0x05c);
static_assert(offsetof(ControlArea, virtual_interrupt) == 0x060);
static_assert(offsetof(ControlArea, exitcode) == 0x070);
static_assert(offsetof(ControlArea, exitintinfo) == 0x088);
static_assert(offsetof(ControlArea, np_enable) == 0x090);
static_assert(offsetof(ControlArea, eventinj) == 0x0a8);
static_assert(offsetof(ControlArea, n_cr3) == 0x0b0);
static_assert(offsetof(ControlArea, vmcb_clean) == 0x0c0);
static_assert(offsetof(ControlArea, nrip) == 0x0c8);
static_assert(offsetof(Vmcb, save) == 0x400);
static_assert(offsetof(StateSaveArea, cpl) == 0x0cb);
static_assert(offsetof(StateSaveArea, efer) == 0x0d0);
static_assert(offsetof(StateSaveArea, cr4) == 0x148);
static_assert(offsetof(StateSaveArea, rip) == 0x178);
static_assert(offsetof(StateSaveArea, rsp) == 0x1d8);
static_assert(offsetof(StateSaveArea, rax) == 0x1f8);
static_assert(offsetof(StateSaveArea, cr2) == 0x240);
static_assert(offsetof(StateSaveArea, g_pat) == 0x268);

// Golden value: "inject #GP(0)" as KVM and Xen dumps show it.
static_assert((Event::Vector::of(13) | Event::TypeField::of(Event::Type::exception) |
               Event::ErrorCodeValid::of(true) | Event::Valid::of(true)) == 0x8000'0b0d);

} // namespace ravelin::hv::svm

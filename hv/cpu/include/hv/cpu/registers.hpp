// SPDX-License-Identifier: Apache-2.0
// Architectural registers as both back ends and everything above them see them: general registers
// by their encoding, control register and flag bits, segments. [AMD APM vol2 3.1, vol2 4.5] [SDM
// vol3 2.3-2.5]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

#include <array>

namespace ravelin::hv::cpu {

/// A general register, numbered as instructions encode it. [AMD APM vol3 1.2.7]
enum class Register : u8 {
    rax,
    rcx,
    rdx,
    rbx,
    rsp,
    rbp,
    rsi,
    rdi,
    r8,
    r9,
    r10,
    r11,
    r12,
    r13,
    r14,
    r15
};

/// The guest's general registers while it does not run. The world switch knows this layout.
/// Written and read by the CPU that runs the vCPU only.
struct GeneralRegisters {
    std::array<u64, 16> values{};
    [[nodiscard]] constexpr u64& operator[](Register r) { return values[static_cast<u8>(r)]; }
    [[nodiscard]] constexpr u64 operator[](Register r) const { return values[static_cast<u8>(r)]; }
};
static_assert(sizeof(GeneralRegisters) == 128);

struct Cr0 {
    using ProtectionEnable = BitFlag<u64, 0>;
    using MonitorCoprocessor = BitFlag<u64, 1>;
    using TaskSwitched = BitFlag<u64, 3>;
    using ExtensionType = BitFlag<u64, 4>;
    using NumericError = BitFlag<u64, 5>;
    using WriteProtect = BitFlag<u64, 16>;
    using NotWriteThrough = BitFlag<u64, 29>;
    using CacheDisable = BitFlag<u64, 30>;
    using Paging = BitFlag<u64, 31>;
};

struct Cr4 {
    using PageSizeExtensions = BitFlag<u64, 4>;
    using PhysicalAddressExtension = BitFlag<u64, 5>;
    using FiveLevelPaging = BitFlag<u64, 12>;
    using VmxEnable = BitFlag<u64, 13>;
    using OsXsave = BitFlag<u64, 18>;
    using SupervisorExecutionPrevention = BitFlag<u64, 20>;
    using SupervisorAccessPrevention = BitFlag<u64, 21>;
};

struct Efer {
    using SystemCallEnable = BitFlag<u64, 0>;
    using LongModeEnable = BitFlag<u64, 8>;
    using LongModeActive = BitFlag<u64, 10>;
    using NoExecuteEnable = BitFlag<u64, 11>;
    using SecureVirtualMachineEnable = BitFlag<u64, 12>;
};

struct Rflags {
    static constexpr u64 always_one = 2;
    using TrapFlag = BitFlag<u64, 8>;
    using InterruptEnable = BitFlag<u64, 9>;
    using DirectionFlag = BitFlag<u64, 10>;
    using ResumeFlag = BitFlag<u64, 16>;
    using AlignmentCheck = BitFlag<u64, 18>;
};

/// XCR0 components a guest may have: x87, SSE, AVX and AVX-512, which fit one frame in the standard
/// XSAVE format. [AMD APM vol2 11.5.2]
constexpr u64 xcr0_allowed = 0xe7;

enum class SegmentName : u8 { es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr };

/// A segment register with its hidden part. Attributes are the descriptor's: bits 0-7 of its access
/// byte, then AVL, L, D/B, G in 8-11 (the VMCB's packing). [AMD APM vol2 15.5.1]
struct Segment {
    using LongMode = BitFlag<u16, 9>;
    using DefaultBig = BitFlag<u16, 10>;
    u16 selector{};
    u16 attributes{};
    u32 limit{};
    u64 base{};
};

/// Exceptions the hypervisor names. [AMD APM vol2 8.2]
enum class Exception : u8 {
    debug = 1,
    nmi = 2,
    breakpoint = 3,
    overflow = 4,
    undefined_opcode = 6,
    double_fault = 8,
    general_protection = 13,
    page_fault = 14,
    alignment_check = 17,
    machine_check = 18,
};

struct TscTag;
using Tsc = Strong<TscTag, u64>; ///< a time of the physical CPU's time stamp counter

} // namespace ravelin::hv::cpu

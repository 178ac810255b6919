// SPDX-License-Identifier: Apache-2.0
// Why a guest stopped, in terms that do not name a vendor. A back end decodes its exit into one of
// these; nothing above it reads a VMCB or a VMCS. Lengths are instruction lengths, known without
// next-RIP save.
#pragma once

#include <hv/cpu/registers.hpp>

#include <optional>
#include <variant>

namespace ravelin::hv::cpu {

/// CPUID was executed. The instruction is two bytes.
struct CpuidExit {};
/// VMCALL or VMMCALL was executed, whichever the vendor's own is. Both are three bytes.
struct HypercallExit {};

enum class IoDirection : u8 { out, in };
enum class IoForm : u8 { single, string, repeated_string };
/// IN, OUT, INS or OUTS. next_rip is what follows the instruction.
struct IoExit {
    u16 port;
    u8 size; ///< 1, 2 or 4 bytes
    IoDirection direction;
    IoForm form;
    u8 address_size; ///< 2, 4 or 8 bytes, of string forms
    u64 next_rip;
};

/// RDMSR (ECX names it; the result goes to EDX:EAX). Two bytes.
struct MsrReadExit {};
/// WRMSR. Two bytes.
struct MsrWriteExit {};
/// HLT. One byte.
struct HaltExit {};
/// XSETBV of ECX with EDX:EAX, from CPL 0. Three bytes.
struct XsetbvExit {};

/// The guest touched a guest-physical address its stage-2 table does not allow.
struct Stage2FaultExit {
    GuestPhysical address;
    Access wanted;
    enum class During : u8 { access, page_walk } during;
};

/// An interrupt of the physical machine is pending; it is delivered when the host enables
/// interrupts.
struct HostInterruptExit {};
/// The guest can take an interrupt now; the request made by request_interrupt_window() is spent.
struct InterruptWindowExit {};
/// The guest's #UD, which is its own unless the bytes at RIP are the other vendor's hypercall.
struct UndefinedOpcodeExit {};
/// The instruction does not exist for guests, or an exception is intercepted only to break loops of
/// its delivery: the guest gets this exception.
struct ReflectedExceptionExit {
    Exception exception;
    std::optional<u32> error_code;
};
/// INVD: the caches must be written back instead of dropped. Two bytes.
struct CacheFlushExit {};
/// PAUSE, one or many: the guest waits for another vCPU. Two bytes.
struct PauseExit {};
/// Triple fault.
struct ShutdownExit {};
/// The CPU refused the guest's state, or an exit nobody asked for: raw is the vendor's code, which
/// `why`, where there is one, says in words.
struct FailedExit {
    u64 raw;
    const char* why{};
};
/// Something that needs nothing from above (handled in the back end); enter again.
struct ResumeExit {};

using Exit = std::variant<ResumeExit,
                          CpuidExit,
                          HypercallExit,
                          IoExit,
                          MsrReadExit,
                          MsrWriteExit,
                          HaltExit,
                          XsetbvExit,
                          Stage2FaultExit,
                          HostInterruptExit,
                          InterruptWindowExit,
                          UndefinedOpcodeExit,
                          ReflectedExceptionExit,
                          CacheFlushExit,
                          PauseExit,
                          ShutdownExit,
                          FailedExit>;

} // namespace ravelin::hv::cpu

// SPDX-License-Identifier: Apache-2.0
// The few instructions that compilers and kernels use on trapped device registers: MOV, MOVZX,
// MOVSX, MOVSXD between memory and a register or an immediate. Everything else is refused. A pure
// function over a copy of the bytes at RIP; the effective address is not computed, because the
// stage-2 fault already names it. [AMD APM vol3 1.2, appendix A]
#pragma once

#include <base/result.hpp>
#include <hv/cpu/virtual_cpu.hpp>

#include <optional>
#include <span>

namespace ravelin::hv::guest {

enum class MmioKind : u8 { load, store };
enum class Extension : u8 {
    none, ///< 8 and 16 bits: the rest of the register stays
    zero, ///< to 64 bits (a 32-bit destination clears the upper half)
    sign  ///< to destination_bytes
};

struct MmioInstruction {
    MmioKind kind;
    u8 length;                    ///< of the instruction
    u8 size;                      ///< of the memory operand: 1, 2, 4 or 8 bytes
    u8 destination_bytes;         ///< of a load's register
    Extension extension;          ///< of a load
    cpu::Register register_;      ///< loaded or stored, unless `immediate`
    bool high_byte;               ///< AH, CH, DH or BH
    std::optional<u64> immediate; ///< stored instead of a register, sign-extended to `size`
};

enum class DecodeError : u8 {
    truncated,   ///< the bytes end inside the instruction
    unsupported, ///< not one of the instructions above
};

constexpr usize longest_instruction = 15;

[[nodiscard]] Result<MmioInstruction, DecodeError> decode_mmio(std::span<const u8> bytes,
                                                               cpu::CodeSize code);

/// The value a store writes.
[[nodiscard]] u64 store_value(const MmioInstruction& instruction,
                              const cpu::GeneralRegisters& registers);
/// Puts what a load read into its register.
void complete_load(const MmioInstruction& instruction, u64 value, cpu::GeneralRegisters& registers);

} // namespace ravelin::hv::guest

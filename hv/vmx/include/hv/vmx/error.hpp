// SPDX-License-Identifier: Apache-2.0
// What can go wrong with VMX, by name.
#pragma once

#include <base/int.hpp>

#include <string_view>

namespace ravelin::hv::vmx {

enum class Error : u8 {
    not_offered,          ///< CPUID.1:ECX.VMX is clear
    disabled_by_firmware, ///< IA32_FEATURE_CONTROL is locked without VMX outside SMX
    cr_fixed_bits,        ///< CR0 or CR4 cannot take the values VMX operation demands
    control_not_offered,  ///< a control this back end cannot do without, or one it cannot do with
    ept_not_offered,      ///< no 4-level write-back EPT with INVEPT
    fail_invalid,         ///< VMfailInvalid: no current VMCS, or the region is refused
    fail_valid,           ///< VMfailValid: VM_INSTRUCTION_ERROR says which [SDM vol3 31.4]
    out_of_frames,
};

[[nodiscard]] constexpr const char* describe(Error error) {
    switch (error) {
    case Error::not_offered:
        return "the CPU does not offer VMX";
    case Error::disabled_by_firmware:
        return "the firmware locked VMX off (IA32_FEATURE_CONTROL)";
    case Error::cr_fixed_bits:
        return "CR0 or CR4 cannot take the values VMX demands";
    case Error::control_not_offered:
        return "a VMX control that is needed is not offered, or one that must be off is forced on";
    case Error::ept_not_offered:
        return "no 4-level write-back EPT with INVEPT";
    case Error::fail_invalid:
        return "VMfailInvalid: no current VMCS, or the region is refused";
    case Error::fail_valid:
        return "VMfailValid";
    case Error::out_of_frames:
        return "no memory for the VMXON region";
    }
    return "unknown VMX error";
}

/// VM_INSTRUCTION_ERROR: why VMfailValid. [SDM vol3 31.4, table 31-1]
enum class InstructionError : u32 {
    none = 0,
    vmcall_in_root = 1,
    vmclear_address = 2,
    vmclear_vmxon_pointer = 3,
    vmlaunch_not_clear = 4,
    vmresume_not_launched = 5,
    vmresume_after_vmxoff = 6,
    entry_controls = 7,
    entry_host_state = 8,
    vmptrld_address = 9,
    vmptrld_vmxon_pointer = 10,
    vmptrld_revision = 11,
    unsupported_field = 12,
    read_only_field = 13,
    vmxon_in_root = 15,
    entry_mov_ss = 26,
    invalidation_operand = 28,
};

[[nodiscard]] constexpr const char* describe(InstructionError error) {
    switch (error) {
    case InstructionError::none:
        return "VMfailInvalid: no current VMCS";
    case InstructionError::vmcall_in_root:
        return "VMCALL in VMX root operation";
    case InstructionError::vmclear_address:
        return "VMCLEAR with an invalid physical address";
    case InstructionError::vmclear_vmxon_pointer:
        return "VMCLEAR with the VMXON pointer";
    case InstructionError::vmlaunch_not_clear:
        return "VMLAUNCH with a VMCS that is not clear";
    case InstructionError::vmresume_not_launched:
        return "VMRESUME with a VMCS that was not launched";
    case InstructionError::vmresume_after_vmxoff:
        return "VMRESUME after VMXOFF";
    case InstructionError::entry_controls:
        return "VM entry with invalid control fields";
    case InstructionError::entry_host_state:
        return "VM entry with invalid host-state fields";
    case InstructionError::vmptrld_address:
        return "VMPTRLD with an invalid physical address";
    case InstructionError::vmptrld_vmxon_pointer:
        return "VMPTRLD with the VMXON pointer";
    case InstructionError::vmptrld_revision:
        return "VMPTRLD with a wrong VMCS revision identifier";
    case InstructionError::unsupported_field:
        return "VMREAD or VMWRITE of an unsupported field";
    case InstructionError::read_only_field:
        return "VMWRITE to a read-only field";
    case InstructionError::vmxon_in_root:
        return "VMXON in VMX root operation";
    case InstructionError::entry_mov_ss:
        return "VM entry with events blocked by MOV SS";
    case InstructionError::invalidation_operand:
        return "INVEPT or INVVPID with an invalid operand";
    }
    return "an error number this hypervisor does not know";
}

} // namespace ravelin::hv::vmx

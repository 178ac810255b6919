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
    control_not_offered,  ///< a control this back end cannot do without
    ept_not_offered,      ///< no 4-level write-back EPT
    fail_invalid,         ///< VMfailInvalid: no current VMCS, or the region is refused
    fail_valid,           ///< VMfailValid: VM_INSTRUCTION_ERROR says which [SDM vol3 31.4]
};

[[nodiscard]] constexpr std::string_view text(Error error) {
    switch (error) {
    case Error::not_offered:
        return "the CPU does not offer VMX";
    case Error::disabled_by_firmware:
        return "the firmware locked VMX off (IA32_FEATURE_CONTROL)";
    case Error::cr_fixed_bits:
        return "CR0 or CR4 cannot take the values VMX demands";
    case Error::control_not_offered:
        return "a VMX control that is needed is not offered";
    case Error::ept_not_offered:
        return "no 4-level write-back EPT";
    case Error::fail_invalid:
        return "VMfailInvalid";
    case Error::fail_valid:
        return "VMfailValid";
    }
    return "unknown";
}

} // namespace ravelin::hv::vmx

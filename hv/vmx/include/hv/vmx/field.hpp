// SPDX-License-Identifier: Apache-2.0
// VMCS fields as types. The encoding says how wide a field is (bits 14:13) and what kind it is
// (bits 11:10), so that reading it into the wrong type or writing a read-only one does not compile.
// [SDM vol3 25.11.2, appendix B]
#pragma once

#include <base/int.hpp>

#include <type_traits>

namespace ravelin::hv::vmx {

enum class FieldKind : u8 { control, read_only, guest, host };

template <u32 Encoding> struct Field {
    static constexpr u32 encoding = Encoding;
    static constexpr FieldKind kind = static_cast<FieldKind>((Encoding >> 10) & 3);
    static constexpr u32 width_code = (Encoding >> 13) & 3;
    static_assert((Encoding & 1) == 0,
                  "the high halves of 64-bit fields are not used in 64-bit mode");
    using value_type =
        std::conditional_t<width_code == 0, u16, std::conditional_t<width_code == 2, u32, u64>>;
    static constexpr bool writable = kind != FieldKind::read_only;
};

namespace field {
// 16-bit controls, guest and host state [SDM vol3 B.1]
using vpid = Field<0x0000>;
using guest_es_selector = Field<0x0800>;
using guest_cs_selector = Field<0x0802>;
using guest_ss_selector = Field<0x0804>;
using guest_ds_selector = Field<0x0806>;
using guest_fs_selector = Field<0x0808>;
using guest_gs_selector = Field<0x080a>;
using guest_ldtr_selector = Field<0x080c>;
using guest_tr_selector = Field<0x080e>;
using host_es_selector = Field<0x0c00>;
using host_cs_selector = Field<0x0c02>;
using host_ss_selector = Field<0x0c04>;
using host_ds_selector = Field<0x0c06>;
using host_fs_selector = Field<0x0c08>;
using host_gs_selector = Field<0x0c0a>;
using host_tr_selector = Field<0x0c0c>;
// 64-bit controls and state [SDM vol3 B.2]
using io_bitmap_a_address = Field<0x2000>;
using io_bitmap_b_address = Field<0x2002>;
using msr_bitmap_address = Field<0x2004>;
using tsc_offset = Field<0x2010>;
using virtual_apic_address = Field<0x2012>;
using ept_pointer = Field<0x201a>;
using encls_exiting_bitmap = Field<0x202e>;
using guest_physical_address = Field<0x2400>;
using vmcs_link_pointer = Field<0x2800>;
using guest_debugctl = Field<0x2802>;
using guest_pat = Field<0x2804>;
using guest_efer = Field<0x2806>;
using host_pat = Field<0x2c00>;
using host_efer = Field<0x2c02>;
// 32-bit controls [SDM vol3 B.3]
using pin_based_controls = Field<0x4000>;
using primary_controls = Field<0x4002>;
using exception_bitmap = Field<0x4004>;
using page_fault_error_mask = Field<0x4006>;
using page_fault_error_match = Field<0x4008>;
using cr3_target_count = Field<0x400a>;
using exit_controls = Field<0x400c>;
using exit_msr_store_count = Field<0x400e>;
using exit_msr_load_count = Field<0x4010>;
using entry_controls = Field<0x4012>;
using entry_msr_load_count = Field<0x4014>;
using entry_interruption_information = Field<0x4016>;
using entry_exception_error_code = Field<0x4018>;
using entry_instruction_length = Field<0x401a>;
using tpr_threshold = Field<0x401c>;
using secondary_controls = Field<0x401e>;
using ple_gap = Field<0x4020>;
using ple_window = Field<0x4022>;
// 32-bit exit information
using instruction_error = Field<0x4400>;
using exit_reason = Field<0x4402>;
using exit_interruption_information = Field<0x4404>;
using exit_interruption_error_code = Field<0x4406>;
using idt_vectoring_information = Field<0x4408>;
using idt_vectoring_error_code = Field<0x440a>;
using exit_instruction_length = Field<0x440c>;
using exit_instruction_information = Field<0x440e>;
// 32-bit guest state
using guest_es_limit = Field<0x4800>;
using guest_cs_limit = Field<0x4802>;
using guest_ss_limit = Field<0x4804>;
using guest_ds_limit = Field<0x4806>;
using guest_fs_limit = Field<0x4808>;
using guest_gs_limit = Field<0x480a>;
using guest_ldtr_limit = Field<0x480c>;
using guest_tr_limit = Field<0x480e>;
using guest_gdtr_limit = Field<0x4810>;
using guest_idtr_limit = Field<0x4812>;
using guest_es_rights = Field<0x4814>;
using guest_cs_rights = Field<0x4816>;
using guest_ss_rights = Field<0x4818>;
using guest_ds_rights = Field<0x481a>;
using guest_fs_rights = Field<0x481c>;
using guest_gs_rights = Field<0x481e>;
using guest_ldtr_rights = Field<0x4820>;
using guest_tr_rights = Field<0x4822>;
using guest_interruptibility = Field<0x4824>;
using guest_activity = Field<0x4826>;
using guest_sysenter_cs = Field<0x482a>;
using preemption_timer_value = Field<0x482e>;
using host_sysenter_cs = Field<0x4c00>;
// natural width [SDM vol3 B.4]
using cr0_mask = Field<0x6000>;
using cr4_mask = Field<0x6002>;
using cr0_shadow = Field<0x6004>;
using cr4_shadow = Field<0x6006>;
using exit_qualification = Field<0x6400>;
using guest_cr0 = Field<0x6800>;
using guest_cr3 = Field<0x6802>;
using guest_cr4 = Field<0x6804>;
using guest_es_base = Field<0x6806>;
using guest_cs_base = Field<0x6808>;
using guest_ss_base = Field<0x680a>;
using guest_ds_base = Field<0x680c>;
using guest_fs_base = Field<0x680e>;
using guest_gs_base = Field<0x6810>;
using guest_ldtr_base = Field<0x6812>;
using guest_tr_base = Field<0x6814>;
using guest_gdtr_base = Field<0x6816>;
using guest_idtr_base = Field<0x6818>;
using guest_dr7 = Field<0x681a>;
using guest_rsp = Field<0x681c>;
using guest_rip = Field<0x681e>;
using guest_rflags = Field<0x6820>;
using guest_pending_debug = Field<0x6822>;
using guest_sysenter_esp = Field<0x6824>;
using guest_sysenter_eip = Field<0x6826>;
using host_cr0 = Field<0x6c00>;
using host_cr3 = Field<0x6c02>;
using host_cr4 = Field<0x6c04>;
using host_fs_base = Field<0x6c06>;
using host_gs_base = Field<0x6c08>;
using host_tr_base = Field<0x6c0a>;
using host_gdtr_base = Field<0x6c0c>;
using host_idtr_base = Field<0x6c0e>;
using host_sysenter_esp = Field<0x6c10>;
using host_sysenter_eip = Field<0x6c12>;
using host_rsp = Field<0x6c14>;
using host_rip = Field<0x6c16>;
} // namespace field

static_assert(std::is_same_v<field::guest_cs_selector::value_type, u16>);
static_assert(std::is_same_v<field::ept_pointer::value_type, u64>);
static_assert(std::is_same_v<field::exit_reason::value_type, u32> && !field::exit_reason::writable);
static_assert(std::is_same_v<field::guest_rip::value_type, u64> &&
              field::guest_rip::kind == FieldKind::guest);

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// The VMCS filled: controls, the host's state, and the states a guest begins in, those of
// hv/svm: [SDM vol3 table 10-1] and the PVH entry state of Xen's docs/misc/pvh.pandoc.
#include "bitmaps.hpp"
#include "control_registers.hpp"
#include "hv/vmx/virtual_cpu.hpp"
#include "machine.hpp"
#include "rights.hpp"

extern "C" void ravelin_vmx_exit();

namespace ravelin::hv::vmx {
namespace {

constexpr u32 msr_pat = 0x277;
constexpr u32 msr_efer = 0xc000'0080;
constexpr u32 msr_fs_base = 0xc000'0100;
constexpr u32 msr_gs_base = 0xc000'0101;
constexpr u64 pat_reset = 0x0007'0406'0007'0406;
constexpr u64 dr7_reset = 0x400;
constexpr u64 no_linked_vmcs = ~u64{0};

alignas(page_size) constinit const MsrBitmap msr_bitmap = make_msr_bitmap();
alignas(page_size) constinit const IoBitmaps io_bitmaps = make_io_bitmaps();

/// The image runs where it is linked, so the address of a static object is its physical address.
template <typename T> u64 physical_of(const T& object) {
    // SAFETY: the pointer is only turned into a number.
    return reinterpret_cast<u64>(&object);
}

/// #UD for the other vendor's hypercall, #MC because it is the host's, #DB and #AC because their
/// delivery can loop inside the CPU (CVE-2015-8104, CVE-2015-5307).
constexpr u32 exceptions = 1u << static_cast<u8>(cpu::Exception::undefined_opcode) |
                           1u << static_cast<u8>(cpu::Exception::machine_check) |
                           1u << static_cast<u8>(cpu::Exception::debug) |
                           1u << static_cast<u8>(cpu::Exception::alignment_check);

/// The base of the descriptor that a selector names in the host's GDT; a TSS descriptor has 64 bits
/// of it.
u64 task_state_base(const DescriptorTable& gdtr, u16 selector) {
    // SAFETY: TR holds a selector that LTR accepted, so its 16-byte descriptor lies inside the GDT.
    const auto* entry = reinterpret_cast<const u64*>(gdtr.base + (selector & ~7u));
    return ((entry[0] >> 16) & 0xffffff) | ((entry[0] >> 56) << 24) | (entry[1] << 32);
}

} // namespace

Status<Error> VirtualCpu::initialise(Host& host, TableMemory& frames, HostPhysical ept_root) {
    ept_pointer_ = RAVELIN_TRY(make_ept_pointer(host.capabilities().ept_vpid, ept_root));
    const auto vmcs = frames.allocate();
    if (!vmcs)
        return Failure{Error::out_of_frames};
    const auto apic = frames.allocate();
    if (!apic) {
        frames.release(vmcs.value());
        return Failure{Error::out_of_frames};
    }
    if (const auto lazy = lazy_.initialise(frames, host.has_xsave()); !lazy) {
        frames.release(apic.value());
        frames.release(vmcs.value());
        return lazy;
    }
    vmcs_ = vmcs.value();
    virtual_apic_ = apic.value();
    virtual_apic_page_ = frames.page(virtual_apic_).data();
    frames.page(vmcs_)[0] = host.revision();
    host_ = &host;
    primary_ = host.controls().primary;
    return Unit{};
}

void VirtualCpu::release(TableMemory& frames) {
    if (host_ == nullptr)
        return;
    host_ = nullptr;
    frames.release(vmcs_);
    frames.release(virtual_apic_);
    lazy_.release(frames);
}

void VirtualCpu::write_controls() {
    const Controls& controls = host_->controls();
    u32 secondary = controls.secondary;
    if (leaves_when_spinning_) {
        constexpr u32 gap = 128; // ticks between two PAUSEs of one loop [SDM vol3 26.1.3]
        constexpr u32 window = 100'000;
        if (choose_control(host_->capabilities().secondary,
                           {.needed = Secondary::pause_loop_exiting})) {
            secondary |= Secondary::pause_loop_exiting;
            write<field::ple_gap>(gap);
            write<field::ple_window>(window);
        } else if (choose_control(host_->capabilities().primary,
                                  {.needed = Primary::pause_exiting})) {
            primary_ |= Primary::pause_exiting;
        }
    }
    write<field::pin_based_controls>(controls.pin_based);
    write<field::primary_controls>(primary_);
    write<field::secondary_controls>(secondary);
    write<field::exit_controls>(controls.exit);
    write<field::entry_controls>(controls.entry);
    write<field::exception_bitmap>(exceptions);
    write<field::page_fault_error_mask>(0);
    write<field::page_fault_error_match>(0);
    write<field::cr3_target_count>(0);
    write<field::exit_msr_store_count>(0);
    write<field::exit_msr_load_count>(0);
    write<field::entry_msr_load_count>(0);
    write<field::entry_interruption_information>(event_);
    write<field::io_bitmap_a_address>(physical_of(io_bitmaps));
    write<field::io_bitmap_b_address>(physical_of(io_bitmaps) + page_size);
    write<field::msr_bitmap_address>(physical_of(msr_bitmap));
    write<field::virtual_apic_address>(virtual_apic_.address().raw());
    write<field::tpr_threshold>(0); // no exit when the guest lowers its priority, as with SVM
    write<field::tsc_offset>(tsc_offset_);
    write<field::ept_pointer>(ept_pointer_);
    write<field::vmcs_link_pointer>(no_linked_vmcs);
    if (host_->preemption_timer() != 0)
        write<field::preemption_timer_value>(host_->preemption_timer());
    if ((secondary & Secondary::encls_exiting) != 0)
        write<field::encls_exiting_bitmap>(~u64{0});
}

void VirtualCpu::write_host_state() {
    write<field::host_cr0>(read_cr0());
    write<field::host_cr3>(read_cr3());
    write<field::host_cr4>(read_cr4());
    write<field::host_cs_selector>(read_cs());
    write<field::host_ss_selector>(read_ss());
    write<field::host_ds_selector>(0);
    write<field::host_es_selector>(0);
    write<field::host_fs_selector>(0);
    write<field::host_gs_selector>(0);
    const DescriptorTable gdtr = read_gdtr();
    const u16 tr = read_tr();
    write<field::host_tr_selector>(tr);
    write<field::host_tr_base>(task_state_base(gdtr, tr));
    write<field::host_gdtr_base>(gdtr.base);
    write<field::host_idtr_base>(read_idtr().base);
    write<field::host_fs_base>(read_msr(msr_fs_base));
    write<field::host_gs_base>(read_msr(msr_gs_base));
    write<field::host_sysenter_cs>(0);
    write<field::host_sysenter_esp>(0);
    write<field::host_sysenter_eip>(0);
    write<field::host_pat>(read_msr(msr_pat));
    write<field::host_efer>(read_msr(msr_efer));
    // SAFETY: the address of the exit label in run.S.
    write<field::host_rip>(reinterpret_cast<u64>(&ravelin_vmx_exit));
}

/// CR0 bits whose real values are the host's: what VMX operation fixes (an unrestricted guest may
/// clear PE and PG all the same), and the caches. [SDM vol3 24.8, 27.3.1.1]
u64 VirtualCpu::cr0_owned() const {
    return (host_->capabilities().cr0_fixed0 &
            ~(cpu::Cr0::ProtectionEnable::mask | cpu::Cr0::Paging::mask)) |
           cpu::Cr0::NotWriteThrough::mask | cpu::Cr0::CacheDisable::mask;
}

void VirtualCpu::write_segments(
    u32 code, u16 code_selector, u64 code_base, u32 data, u16 data_selector, u32 limit) {
    using namespace field;
    const auto set = [this]<typename Selector, typename Base, typename Limit, typename Rights>(
                         u16 selector, u64 base, u32 size, u32 rights) {
        write<Selector>(selector);
        write<Base>(base);
        write<Limit>(size);
        write<Rights>(rights);
    };
    set.operator()<guest_cs_selector, guest_cs_base, guest_cs_limit, guest_cs_rights>(
        code_selector, code_base, limit, code);
    set.operator()<guest_ss_selector, guest_ss_base, guest_ss_limit, guest_ss_rights>(
        data_selector, 0, limit, data);
    set.operator()<guest_ds_selector, guest_ds_base, guest_ds_limit, guest_ds_rights>(
        data_selector, 0, limit, data);
    set.operator()<guest_es_selector, guest_es_base, guest_es_limit, guest_es_rights>(
        data_selector, 0, limit, data);
    set.operator()<guest_fs_selector, guest_fs_base, guest_fs_limit, guest_fs_rights>(
        data_selector, 0, limit, data);
    set.operator()<guest_gs_selector, guest_gs_base, guest_gs_limit, guest_gs_rights>(
        data_selector, 0, limit, data);
    set.operator()<guest_ldtr_selector, guest_ldtr_base, guest_ldtr_limit, guest_ldtr_rights>(
        0, 0, 0, rights_unusable);
    constexpr u32 busy_task_state = 0x8b;
    set.operator()<guest_tr_selector, guest_tr_base, guest_tr_limit, guest_tr_rights>(
        0, 0, 0x67, busy_task_state);
}

void VirtualCpu::reset_to_flat_protected_mode(u32 rip) {
    apply({Start::Mode::flat, rip, {}});
}

void VirtualCpu::reset_to_start_up(Vector page) {
    apply({Start::Mode::real, 0, page});
}

void VirtualCpu::apply(const Start& start) {
    event_ = 0;
    lazy_.set_xcr0(1);
    if (!loaded_) {
        start_ = start;
        return;
    }
    using namespace field;
    const bool flat = start.mode == Start::Mode::flat;
    const u32 code_base = u32{start.page.raw()} << page_shift;
    const u32 table_limit = flat ? 0 : 0xffff;
    if (flat)
        write_segments(0xc09b, 0x08, 0, 0xc093, 0x10, 0xffff'ffff);
    else
        write_segments(0x9b, static_cast<u16>(code_base >> 4), code_base, 0x93, 0, 0xffff);
    write<guest_gdtr_base>(0);
    write<guest_gdtr_limit>(table_limit);
    write<guest_idtr_base>(0);
    write<guest_idtr_limit>(table_limit);
    const u64 visible = cpu::Cr0::ExtensionType::mask | cpu::Cr0::ProtectionEnable::of(flat);
    const u64 owned = cr0_owned();
    const u64 caches = cpu::Cr0::NotWriteThrough::mask | cpu::Cr0::CacheDisable::mask;
    write<guest_cr0>(visible | (owned & ~caches));
    write<cr0_mask>(owned);
    write<cr0_shadow>(visible);
    write<guest_cr3>(0);
    write<guest_cr4>(host_->capabilities().cr4_fixed0);
    write<cr4_mask>(~cr4_allowed);
    write<cr4_shadow>(0);
    set_efer(0);
    write<guest_pat>(pat_reset);
    write<guest_debugctl>(0);
    write<guest_dr7>(dr7_reset);
    write<guest_rsp>(0);
    write<guest_rip>(start.rip);
    write<guest_rflags>(cpu::Rflags::always_one);
    write<guest_interruptibility>(0);
    write<guest_activity>(0);
    write<guest_pending_debug>(0);
    write<guest_sysenter_cs>(0);
    write<guest_sysenter_esp>(0);
    write<guest_sysenter_eip>(0);
    write<entry_interruption_information>(0);
    lazy_.set_cr2(0);
    lazy_.set_dr6(LazyState::dr6_reset);
    flush_translations(); // they are of the old CR3 and CR0
}

} // namespace ravelin::hv::vmx

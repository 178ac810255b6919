// SPDX-License-Identifier: Apache-2.0
// The VMCS of one vCPU: controls, host state, guest state, and the accessors above it. [SDM vol3
// 25]
#include "hv/vmx/vmx_cpu.hpp"

#include "hv/vmx/instruction.hpp"
#include "machine.hpp"

#include <algorithm>

extern "C" void ravelin_vmx_exit();

namespace ravelin::hv::vmx {
namespace {

constexpr u32 msr_pat = 0x277;
constexpr u32 msr_efer = 0xc0000080;
constexpr u32 msr_fs_base = 0xc0000100;
constexpr u32 msr_gs_base = 0xc0000101;
constexpr u64 cr4_vmxe = u64{1} << 13;
constexpr u32 undefined_opcode_bit = 1u << 6;
constexpr u32 rights_unusable = 1u << 16;
constexpr usize virtual_tpr_offset = 0x80; // [SDM vol3 30.1.1]

struct Interruptibility {
    using BlockingBySti = BitFlag<u32, 0>;
    using BlockingByMovSs = BitFlag<u32, 1>;
};

enum class EventType : u8 { external = 0, nmi = 2, exception = 3 };
struct EntryEvent { // [SDM vol3 25.8.3]
    using VectorField = BitField<u32, 7, 0>;
    using Type = BitField<u32, 10, 8, EventType>;
    using DeliverErrorCode = BitFlag<u32, 11>;
    using Valid = BitFlag<u32, 31>;
};

/// The VMX packing of access rights from the VMCB's: AVL, L, D/B and G move up by four bits. [SDM
/// vol3 25.4.1]
constexpr u32 to_rights(u16 attributes) {
    return (attributes & 0xffu) | (static_cast<u32>(attributes) & 0xf00u) << 4;
}
constexpr u16 from_rights(u32 rights) {
    return static_cast<u16>((rights & 0xffu) | ((rights >> 4) & 0xf00u));
}

/// The base of the descriptor that a selector names in the host's GDT; a TSS descriptor has 64 bits
/// of it.
u64 task_state_base(const DescriptorTable& gdtr, u16 selector) {
    // SAFETY: TR holds a selector that LTR accepted, so its 16-byte descriptor lies inside the GDT.
    const auto* entry = reinterpret_cast<const u64*>(gdtr.base + (selector & ~7u));
    return ((entry[0] >> 16) & 0xffffff) | ((entry[0] >> 56) << 24) | (entry[1] << 32);
}

template <typename Selector, typename Base, typename Limit, typename Rights>
void write_segment(u16 selector, u64 base, u32 limit, u32 rights) {
    vmwrite<Selector>(selector);
    vmwrite<Base>(base);
    vmwrite<Limit>(limit);
    vmwrite<Rights>(rights);
}

} // namespace

VmxCpu::VmxCpu(const Operation& operation,
               guest::FrameAccess& memory,
               const Frames& frames,
               const stage2::PageTable& table)
    : operation_{operation}, memory_{memory}, frames_{frames}, stage2_root_{table.root()} {}

VmxCpu::~VmxCpu() {
    // The region must not stay active once its frame is somebody else's. [SDM vol3 25.11.1]
    (void)vmclear(frames_.vmcs.address());
}

Status<Error> VmxCpu::prepare(VmxCpu& cpu) {
    for (const HostFrame frame : {cpu.frames_.vmcs, cpu.frames_.virtual_apic}) {
        const auto bytes = cpu.memory_.bytes(frame);
        std::fill(bytes.begin(), bytes.end(), u8{0});
    }
    const auto bitmap = cpu.memory_.bytes(cpu.frames_.msr_bitmap);
    std::fill(bitmap.begin(), bitmap.end(), u8{0xff}); // every RDMSR and WRMSR exits
    const auto region = cpu.memory_.bytes(cpu.frames_.vmcs);
    const u32 revision = cpu.operation_.revision();
    for (usize i = 0; i < sizeof(revision); ++i)
        region[i] = static_cast<u8>(revision >> (8 * i));

    cpu.ept_pointer_ =
        RAVELIN_TRY(make_ept_pointer(cpu.operation_.capabilities().ept_vpid, cpu.stage2_root_));
    (void)RAVELIN_TRY(vmclear(cpu.frames_.vmcs.address()));
    (void)RAVELIN_TRY(vmptrld(cpu.frames_.vmcs.address()));
    cpu.launched_ = false;
    (void)RAVELIN_TRY(cpu.write_controls());
    cpu.write_host_state();
    cpu.reset_to_flat_protected_mode(0);
    return Unit{};
}

Status<Error> VmxCpu::write_controls() {
    const Controls controls = RAVELIN_TRY(choose_controls(operation_.capabilities()));
    vmwrite<field::pin_based_controls>(controls.pin_based);
    vmwrite<field::primary_controls>(controls.primary);
    vmwrite<field::secondary_controls>(controls.secondary);
    vmwrite<field::exit_controls>(controls.exit);
    vmwrite<field::entry_controls>(controls.entry);
    vmwrite<field::exception_bitmap>(undefined_opcode_bit);
    vmwrite<field::page_fault_error_mask>(0);
    vmwrite<field::page_fault_error_match>(0);
    vmwrite<field::exit_msr_store_count>(0);
    vmwrite<field::exit_msr_load_count>(0);
    vmwrite<field::entry_msr_load_count>(0);
    vmwrite<field::entry_interruption_information>(0);
    vmwrite<field::msr_bitmap_address>(frames_.msr_bitmap.address().raw());
    vmwrite<field::virtual_apic_address>(frames_.virtual_apic.address().raw());
    vmwrite<field::tpr_threshold>(0);
    vmwrite<field::tsc_offset>(0);
    vmwrite<field::ept_pointer>(ept_pointer_);
    vmwrite<field::vmcs_link_pointer>(~u64{0});
    return Unit{};
}

void VmxCpu::write_host_state() const {
    vmwrite<field::host_cr0>(read_cr0());
    vmwrite<field::host_cr3>(read_cr3());
    vmwrite<field::host_cr4>(read_cr4());
    vmwrite<field::host_cs_selector>(read_cs());
    vmwrite<field::host_ss_selector>(read_ss());
    vmwrite<field::host_ds_selector>(0);
    vmwrite<field::host_es_selector>(0);
    vmwrite<field::host_fs_selector>(0);
    vmwrite<field::host_gs_selector>(0);
    const DescriptorTable gdtr = read_gdtr();
    const u16 tr = read_tr();
    vmwrite<field::host_tr_selector>(tr);
    vmwrite<field::host_tr_base>(task_state_base(gdtr, tr));
    vmwrite<field::host_gdtr_base>(gdtr.base);
    vmwrite<field::host_idtr_base>(read_idtr().base);
    vmwrite<field::host_fs_base>(read_msr(msr_fs_base));
    vmwrite<field::host_gs_base>(read_msr(msr_gs_base));
    vmwrite<field::host_sysenter_cs>(0);
    vmwrite<field::host_sysenter_esp>(0);
    vmwrite<field::host_sysenter_eip>(0);
    vmwrite<field::host_pat>(read_msr(msr_pat));
    vmwrite<field::host_efer>(read_msr(msr_efer));
    // SAFETY: the address of the exit label in run.S.
    vmwrite<field::host_rip>(reinterpret_cast<u64>(&ravelin_vmx_exit));
}

void VmxCpu::write_flat_segments(u16 code_rights, u16 data_rights) {
    using namespace field;
    write_segment<guest_cs_selector, guest_cs_base, guest_cs_limit, guest_cs_rights>(
        0x8, 0, 0xffffffff, to_rights(code_rights));
    const u32 data = to_rights(data_rights);
    write_segment<guest_ss_selector, guest_ss_base, guest_ss_limit, guest_ss_rights>(
        0x10, 0, 0xffffffff, data);
    write_segment<guest_ds_selector, guest_ds_base, guest_ds_limit, guest_ds_rights>(
        0x10, 0, 0xffffffff, data);
    write_segment<guest_es_selector, guest_es_base, guest_es_limit, guest_es_rights>(
        0x10, 0, 0xffffffff, data);
    write_segment<guest_fs_selector, guest_fs_base, guest_fs_limit, guest_fs_rights>(
        0x10, 0, 0xffffffff, data);
    write_segment<guest_gs_selector, guest_gs_base, guest_gs_limit, guest_gs_rights>(
        0x10, 0, 0xffffffff, data);
    write_segment<guest_ldtr_selector, guest_ldtr_base, guest_ldtr_limit, guest_ldtr_rights>(
        0, 0, 0, rights_unusable);
    constexpr u32 busy_task_state = 0x8b;
    write_segment<guest_tr_selector, guest_tr_base, guest_tr_limit, guest_tr_rights>(
        0, 0, 0x67, busy_task_state);
    vmwrite<guest_gdtr_base>(0);
    vmwrite<guest_gdtr_limit>(0);
    vmwrite<guest_idtr_base>(0);
    vmwrite<guest_idtr_limit>(0);
}

void VmxCpu::reset_to_flat_protected_mode(u32 rip) {
    using namespace field;
    constexpr u16 flat_code32 = 0xc9b;
    constexpr u16 flat_data32 = 0xc93;
    write_flat_segments(flat_code32, flat_data32);
    const CapabilityMsrs& msrs = operation_.capabilities();
    // Unrestricted guests may clear PE and PG whatever the fixed bits say [SDM vol3 27.3.1.1].
    const u64 fixed0 =
        msrs.cr0_fixed0 & ~(cpu::Cr0::ProtectionEnable::mask | cpu::Cr0::Paging::mask);
    const u64 visible = cpu::Cr0::ProtectionEnable::mask | cpu::Cr0::ExtensionType::mask;
    vmwrite<guest_cr0>(visible | fixed0);
    vmwrite<cr0_mask>(cpu::Cr0::NotWriteThrough::mask | cpu::Cr0::CacheDisable::mask | fixed0);
    vmwrite<cr0_shadow>(visible);
    vmwrite<guest_cr3>(0);
    vmwrite<guest_cr4>(cr4_vmxe);
    vmwrite<cr4_mask>(cr4_vmxe);
    vmwrite<cr4_shadow>(0);
    set_efer(0);
    vmwrite<guest_pat>(0x0007040600070406); // reset value [SDM vol3 12.12.4]
    vmwrite<guest_dr7>(0x400);
    vmwrite<guest_rsp>(0);
    vmwrite<guest_rip>(rip);
    vmwrite<guest_rflags>(cpu::Rflags::always_one);
    vmwrite<guest_interruptibility>(0);
    vmwrite<guest_activity>(0);
    vmwrite<guest_pending_debug>(0);
    vmwrite<guest_sysenter_cs>(0);
    vmwrite<guest_sysenter_esp>(0);
    vmwrite<guest_sysenter_eip>(0);
}

void VmxCpu::reset_to_start_up(Vector page) {
    using namespace field;
    reset_to_flat_protected_mode(0);
    constexpr u32 real_code = 0x9b;
    constexpr u32 real_data = 0x93;
    const u16 selector = static_cast<u16>(page.raw() << 8);
    write_segment<guest_cs_selector, guest_cs_base, guest_cs_limit, guest_cs_rights>(
        selector, u64{page.raw()} << 12, 0xffff, real_code);
    write_segment<guest_ss_selector, guest_ss_base, guest_ss_limit, guest_ss_rights>(
        0, 0, 0xffff, real_data);
    write_segment<guest_ds_selector, guest_ds_base, guest_ds_limit, guest_ds_rights>(
        0, 0, 0xffff, real_data);
    write_segment<guest_es_selector, guest_es_base, guest_es_limit, guest_es_rights>(
        0, 0, 0xffff, real_data);
    write_segment<guest_fs_selector, guest_fs_base, guest_fs_limit, guest_fs_rights>(
        0, 0, 0xffff, real_data);
    write_segment<guest_gs_selector, guest_gs_base, guest_gs_limit, guest_gs_rights>(
        0, 0, 0xffff, real_data);
    vmwrite<guest_gdtr_limit>(0xffff);
    vmwrite<guest_idtr_limit>(0x3ff);
    vmwrite<guest_cr0>(vmread<guest_cr0>() & ~cpu::Cr0::ProtectionEnable::mask);
    vmwrite<cr0_shadow>(cpu::Cr0::ExtensionType::mask);
}

void VmxCpu::load() {
    ensure(static_cast<bool>(vmptrld(frames_.vmcs.address())), "VMPTRLD of a prepared VMCS");
    if (cpu::Cr4::OsXsave::get(read_cr4())) {
        host_xcr0_ = read_xcr0();
        if (host_xcr0_ != guest_xcr0_) {
            write_xcr0(guest_xcr0_);
            ++counters_.xcr0_writes;
        }
    }
}

void VmxCpu::unload() {
    if (cpu::Cr4::OsXsave::get(read_cr4()) && host_xcr0_ != guest_xcr0_) {
        write_xcr0(host_xcr0_);
        ++counters_.xcr0_writes;
    }
    // VMCLEAR, so that another CPU may load it; it must then be launched again. [SDM vol3 25.11.1]
    ensure(static_cast<bool>(vmclear(frames_.vmcs.address())), "VMCLEAR of a prepared VMCS");
    launched_ = false;
}

u64 VmxCpu::rip() const {
    return vmread<field::guest_rip>();
}

u64 VmxCpu::cr4() const {
    return paging_state().cr4;
}

void VmxCpu::skip(u8 instruction_bytes) {
    set_next_rip(rip() + instruction_bytes);
}

void VmxCpu::set_next_rip(u64 rip) {
    vmwrite<field::guest_rip>(rip);
    const u32 before = vmread<field::guest_interruptibility>();
    vmwrite<field::guest_interruptibility>(Interruptibility::BlockingByMovSs::set(
        Interruptibility::BlockingBySti::set(before, false), false));
}

cpu::PagingState VmxCpu::paging_state() const {
    // Bits the host owns are what the shadow says; the rest is the register itself. [SDM
    // vol3 25.6.6]
    const u64 mask0 = vmread<field::cr0_mask>();
    const u64 mask4 = vmread<field::cr4_mask>();
    return cpu::PagingState{
        (vmread<field::guest_cr0>() & ~mask0) | (vmread<field::cr0_shadow>() & mask0),
        vmread<field::guest_cr3>(),
        (vmread<field::guest_cr4>() & ~mask4) | (vmread<field::cr4_shadow>() & mask4),
        efer(),
        vmread<field::guest_rflags>(),
        privilege_level()};
}

// CPL is SS.DPL. [SDM vol3 25.4.1]
u8 VmxCpu::privilege_level() const {
    return static_cast<u8>((vmread<field::guest_ss_rights>() >> 5) & 3);
}

bool VmxCpu::in_64bit_kernel() const {
    return privilege_level() == 0 && code_size() == cpu::CodeSize::bits64;
}

cpu::CodeSize VmxCpu::code_size() const {
    const u16 attributes = from_rights(vmread<field::guest_cs_rights>());
    if (cpu::Efer::LongModeActive::get(efer()) && cpu::Segment::LongMode::get(attributes))
        return cpu::CodeSize::bits64;
    return cpu::Segment::DefaultBig::get(attributes) ? cpu::CodeSize::bits32
                                                     : cpu::CodeSize::bits16;
}

cpu::Segment VmxCpu::segment(cpu::SegmentName name) const {
    using namespace field;
    const auto full = [](u16 selector, u32 rights, u32 limit, u64 base) {
        return cpu::Segment{selector, from_rights(rights), limit, base};
    };
    switch (name) {
    case cpu::SegmentName::es:
        return full(vmread<guest_es_selector>(),
                    vmread<guest_es_rights>(),
                    vmread<guest_es_limit>(),
                    vmread<guest_es_base>());
    case cpu::SegmentName::cs:
        return full(vmread<guest_cs_selector>(),
                    vmread<guest_cs_rights>(),
                    vmread<guest_cs_limit>(),
                    vmread<guest_cs_base>());
    case cpu::SegmentName::ss:
        return full(vmread<guest_ss_selector>(),
                    vmread<guest_ss_rights>(),
                    vmread<guest_ss_limit>(),
                    vmread<guest_ss_base>());
    case cpu::SegmentName::ds:
        return full(vmread<guest_ds_selector>(),
                    vmread<guest_ds_rights>(),
                    vmread<guest_ds_limit>(),
                    vmread<guest_ds_base>());
    case cpu::SegmentName::fs:
        return full(vmread<guest_fs_selector>(),
                    vmread<guest_fs_rights>(),
                    vmread<guest_fs_limit>(),
                    vmread<guest_fs_base>());
    case cpu::SegmentName::gs:
        return full(vmread<guest_gs_selector>(),
                    vmread<guest_gs_rights>(),
                    vmread<guest_gs_limit>(),
                    vmread<guest_gs_base>());
    case cpu::SegmentName::ldtr:
        return full(vmread<guest_ldtr_selector>(),
                    vmread<guest_ldtr_rights>(),
                    vmread<guest_ldtr_limit>(),
                    vmread<guest_ldtr_base>());
    case cpu::SegmentName::tr:
        return full(vmread<guest_tr_selector>(),
                    vmread<guest_tr_rights>(),
                    vmread<guest_tr_limit>(),
                    vmread<guest_tr_base>());
    case cpu::SegmentName::gdtr:
        return full(0, 0, vmread<guest_gdtr_limit>(), vmread<guest_gdtr_base>());
    case cpu::SegmentName::idtr:
        return full(0, 0, vmread<guest_idtr_limit>(), vmread<guest_idtr_base>());
    }
    ensure(false, "a segment name outside the enumeration");
    return {};
}

u64 VmxCpu::efer() const {
    return vmread<field::guest_efer>();
}

void VmxCpu::set_efer(u64 value) {
    vmwrite<field::guest_efer>(value);
    // The entry control must agree with EFER.LMA. [SDM vol3 27.3.1.1]
    const u32 entry = vmread<field::entry_controls>();
    const bool long_mode = cpu::Efer::LongModeActive::get(value);
    vmwrite<field::entry_controls>(long_mode ? entry | EntryControl::ia32e_mode_guest
                                             : entry & ~EntryControl::ia32e_mode_guest);
}

void VmxCpu::set_xcr0(u64 value) {
    guest_xcr0_ = value;
    write_xcr0(value);
    ++counters_.xcr0_writes;
}

bool VmxCpu::interrupts_enabled() const {
    return cpu::Rflags::InterruptEnable::get(vmread<field::guest_rflags>());
}

bool VmxCpu::has_event() const {
    return EntryEvent::Valid::get(vmread<field::entry_interruption_information>());
}

bool VmxCpu::can_take_interrupt() const {
    const u32 blocked = vmread<field::guest_interruptibility>();
    return interrupts_enabled() && !Interruptibility::BlockingBySti::get(blocked) &&
           !Interruptibility::BlockingByMovSs::get(blocked) && !has_event();
}

void VmxCpu::inject_interrupt(Vector vector) {
    vmwrite<field::entry_interruption_information>(EntryEvent::VectorField::of(vector.raw()) |
                                                   EntryEvent::Type::of(EventType::external) |
                                                   EntryEvent::Valid::of(true));
}

void VmxCpu::inject_exception(cpu::Exception exception, std::optional<u32> error_code) {
    vmwrite<field::entry_exception_error_code>(error_code.value_or(0));
    const bool nmi = exception == cpu::Exception::nmi;
    vmwrite<field::entry_interruption_information>(
        EntryEvent::VectorField::of(static_cast<u8>(exception)) |
        EntryEvent::Type::of(nmi ? EventType::nmi : EventType::exception) |
        EntryEvent::DeliverErrorCode::of(error_code.has_value()) | EntryEvent::Valid::of(true));
}

void VmxCpu::inject_page_fault(GuestVirtual address, u32 error_code) {
    const u64 cr2 = address.raw();
    // SAFETY: CR2 is not switched by VMX; the host takes no page fault it survives, so it is the
    // guest's.
    asm volatile("mov %0, %%cr2" ::"r"(cr2));
    inject_exception(cpu::Exception::page_fault, error_code);
}

void VmxCpu::request_interrupt_window(cpu::InterruptWindow window) {
    const u32 before = vmread<field::primary_controls>();
    vmwrite<field::primary_controls>(window == cpu::InterruptWindow::wanted
                                         ? before | Primary::interrupt_window_exiting
                                         : before & ~Primary::interrupt_window_exiting);
}

u8 VmxCpu::task_priority() const {
    return static_cast<u8>(memory_.bytes(frames_.virtual_apic)[virtual_tpr_offset] >> 4);
}

void VmxCpu::set_task_priority(u8 cr8) {
    memory_.bytes(frames_.virtual_apic)[virtual_tpr_offset] = static_cast<u8>(cr8 << 4);
}

void VmxCpu::set_tsc_offset(u64 offset) {
    vmwrite<field::tsc_offset>(offset);
}
u64 VmxCpu::tsc_offset() const {
    return vmread<field::tsc_offset>();
}

void VmxCpu::flush_translations() {
    ensure(static_cast<bool>(invept(InveptType::single_context, ept_pointer_)),
           "INVEPT of our own EPT pointer");
    ++counters_.tlb_flushes;
}

} // namespace ravelin::hv::vmx

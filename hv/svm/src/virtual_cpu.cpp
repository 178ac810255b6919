// SPDX-License-Identifier: Apache-2.0
// The VMCB behind cpu::VirtualCpu. The constants a guest starts from: [AMD APM vol2 14.1.3] and the
// PVH entry state of Xen's docs/misc/pvh.pandoc.
#include "instructions.hpp"
#include "permissions.hpp"

#include <hv/svm/exit.hpp>
#include <hv/svm/virtual_cpu.hpp>

extern "C" void svm_world_switch(ravelin::hv::cpu::GeneralRegisters* registers,
                                 ravelin::u64 guest_vmcb,
                                 ravelin::u64 host_vmcb);

namespace ravelin::hv::svm {

namespace {

alignas(page_size) constinit const MsrPermissionMap msr_permissions = make_msr_permission_map();
alignas(page_size) constinit const IoPermissionMap io_permissions = make_io_permission_map();

/// The image runs where it is linked, so the address of a static object is its physical address.
template <typename T> u64 physical_of(const T& object) {
    // SAFETY: the pointer is only turned into a number.
    return reinterpret_cast<u64>(&object);
}

constexpr u32 intercepts1 =
    Intercept1::Intr::of(true) | Intercept1::Nmi::of(true) | Intercept1::Init::of(true) |
    Intercept1::Vintr::of(true) | Intercept1::Rdpmc::of(true) | Intercept1::Cpuid::of(true) |
    Intercept1::Rsm::of(true) | Intercept1::Invd::of(true) | Intercept1::Hlt::of(true) |
    Intercept1::Invlpga::of(true) | Intercept1::IoioProt::of(true) | Intercept1::MsrProt::of(true) |
    Intercept1::FerrFreeze::of(true) | Intercept1::Shutdown::of(true);
constexpr u32 intercepts2 =
    Intercept2::Vmrun::of(true) | Intercept2::Vmmcall::of(true) | Intercept2::Vmload::of(true) |
    Intercept2::Vmsave::of(true) | Intercept2::Stgi::of(true) | Intercept2::Clgi::of(true) |
    Intercept2::Skinit::of(true) | Intercept2::Monitor::of(true) | Intercept2::Mwait::of(true) |
    Intercept2::Xsetbv::of(true) | Intercept2::Rdpru::of(true);
/// #UD for the other vendor's hypercall, #MC because it is the host's, #DB and #AC because their
/// delivery can loop inside the CPU (CVE-2015-8104, CVE-2015-5307).
constexpr u32 exceptions = 1u << static_cast<u8>(cpu::Exception::undefined_opcode) |
                           1u << static_cast<u8>(cpu::Exception::machine_check) |
                           1u << static_cast<u8>(cpu::Exception::debug) |
                           1u << static_cast<u8>(cpu::Exception::alignment_check);

constexpr u64 pat_reset = 0x0007'0406'0007'0406;
constexpr u64 dr6_reset = 0xffff'0ff0;
constexpr u64 dr7_reset = 0x400;

} // namespace

Status<Error> VirtualCpu::initialise(Host& host, TableMemory& frames, HostPhysical nested_root) {
    const auto vmcb = frames.allocate();
    if (!vmcb)
        return Failure{Error::out_of_frames};
    const auto state = frames.allocate();
    if (!state) {
        frames.release(vmcb.value());
        return Failure{Error::out_of_frames};
    }
    // SAFETY: the frame is ours for ever, zeroed, page-aligned, and Vmcb is exactly one page of
    // trivial fields.
    vmcb_ = reinterpret_cast<Vmcb*>(frames.page(vmcb.value()).data());
    // SAFETY: only turned into a number, for XSAVE and XRSTOR.
    extended_state_ = reinterpret_cast<u64>(frames.page(state.value()).data());
    vmcb_physical_ = vmcb.value().address().raw();
    extended_frame_ = state.value();
    host_ = &host;
    has_xsave_ = host.features().xsave;
    if (has_xsave_) {
        const machine::CpuidLeaf leaf = cpuid(0xd, 0);
        xcr0_supported_ = (u64{leaf.edx} << 32 | leaf.eax) & cpu::xcr0_allowed;
    }

    ControlArea& control = vmcb_->control;
    control.exceptions = exceptions;
    control.intercept1 = intercepts1;
    control.intercept2 = intercepts2;
    control.iopm_base_pa = physical_of(io_permissions);
    control.msrpm_base_pa = physical_of(msr_permissions);
    control.virtual_interrupt = VirtualInterrupt::Masking::of(true);
    control.np_enable = 1;
    control.n_cr3 = nested_root.raw();
    reset_state();
    return Unit{};
}

void VirtualCpu::leave_when_spinning() {
    constexpr u16 pauses = 3000; // the CPU counts, and begins again after a gap
    constexpr u16 gap = 128;
    vmcb_->control.intercept1 |= Intercept1::Pause::of(true);
    vmcb_->control.pause_filter_count = host_->features().pause_filter ? pauses : u16{0};
    vmcb_->control.pause_filter_threshold = host_->features().pause_filter ? gap : u16{0};
    touch(Clean::intercepts);
}

void VirtualCpu::release(TableMemory& frames) {
    if (vmcb_ == nullptr)
        return;
    vmcb_ = nullptr;
    frames.release(HostFrame::of(HostPhysical{vmcb_physical_}));
    frames.release(extended_frame_);
}

void VirtualCpu::set_host(Host& host) {
    if (host_ == &host)
        return;
    // What this CPU keeps of the VMCB is older than the VMCB. [AMD APM vol2 15.15.1]
    vmcb_->control.vmcb_clean = 0;
    asid_generation_ = 0;
    host_ = &host;
}

void VirtualCpu::use_asid() {
    if (asid_generation_ == host_->generation())
        return;
    vmcb_->control.guest_asid = host_->take_asid();
    asid_generation_ = host_->generation();
    touch(Clean::asid);
    if (host_->must_flush())
        flush_translations();
}

void VirtualCpu::reset_state() {
    StateSaveArea& save = vmcb_->save;
    save.g_pat = pat_reset;
    save.dr6 = dr6_reset;
    save.dr7 = dr7_reset;
    save.rflags = cpu::Rflags::always_one;
    save.cr0 = cpu::Cr0::ExtensionType::of(true);
    save.cr3 = 0;
    save.cr4 = 0;
    save.cr2 = 0;
    save.cpl = 0;
    set_efer(0);
    set_xcr0(1);
    set_segment(cpu::SegmentName::gdtr, {0, 0, 0, 0});
    set_segment(cpu::SegmentName::idtr, {0, 0, 0, 0});
    set_segment(cpu::SegmentName::ldtr, {0, 0x82, 0, 0});
    set_segment(cpu::SegmentName::tr, {0, 0x8b, 0x67, 0});
    vmcb_->control.eventinj = 0;
    vmcb_->control.interrupt_shadow = 0;
    line_.reset(vmcb_->control);
    vmcb_->control.vmcb_clean = 0;
    flush_translations(); // they are of the old CR3 and CR0
}

void VirtualCpu::reset_to_flat_protected_mode(u32 rip) {
    reset_state();
    vmcb_->save.cr0 = cpu::Cr0::ExtensionType::of(true) | cpu::Cr0::ProtectionEnable::of(true);
    vmcb_->save.rip = rip;
    constexpr cpu::Segment code{0x08, 0xc9b, 0xffff'ffff, 0};
    constexpr cpu::Segment data{0x10, 0xc93, 0xffff'ffff, 0};
    set_segment(cpu::SegmentName::cs, code);
    for (const auto name : {cpu::SegmentName::ds,
                            cpu::SegmentName::es,
                            cpu::SegmentName::ss,
                            cpu::SegmentName::fs,
                            cpu::SegmentName::gs})
        set_segment(name, data);
}

void VirtualCpu::reset_to_start_up(Vector page) {
    reset_state();
    vmcb_->save.rip = 0;
    const u32 base = u32{page.raw()} << page_shift;
    set_segment(cpu::SegmentName::cs, {static_cast<u16>(base >> 4), 0x09b, 0xffff, base});
    for (const auto name : {cpu::SegmentName::ds,
                            cpu::SegmentName::es,
                            cpu::SegmentName::ss,
                            cpu::SegmentName::fs,
                            cpu::SegmentName::gs})
        set_segment(name, {0, 0x093, 0xffff, 0});
    set_segment(cpu::SegmentName::gdtr, {0, 0, 0xffff, 0});
    set_segment(cpu::SegmentName::idtr, {0, 0, 0xffff, 0});
}

void VirtualCpu::load() {
    use_asid();
    write_debug_addresses(debug_addresses_);
    if (!has_xsave_)
        return;
    write_cr4(cpu::Cr4::OsXsave::set(read_cr4(), true));
    write_xcr0(xcr0_supported_);
    // SAFETY: the area is a page-aligned frame that holds every component of xcr0_allowed; zeroed
    // or written by XSAVE, so its header is valid.
    asm volatile("xrstor64 (%0)" : : "r"(extended_state_), "a"(~u32{0}), "d"(~u32{0}) : "memory");
    write_xcr0(xcr0_);
    counters_.xcr0_writes += 2;
    loaded_ = true;
}

void VirtualCpu::unload() {
    debug_addresses_ = read_debug_addresses();
    if (!has_xsave_)
        return;
    // Under QEMU 7.2 XSETBV is never intercepted, so the register knows better than we do.
    xcr0_ = read_xcr0();
    write_xcr0(xcr0_supported_);
    ++counters_.xcr0_writes;
    // SAFETY: as in load().
    asm volatile("xsave64 (%0)" : : "r"(extended_state_), "a"(~u32{0}), "d"(~u32{0}) : "memory");
    loaded_ = false;
}

cpu::Exit VirtualCpu::run(cpu::GeneralRegisters& registers) {
    ControlArea& control = vmcb_->control;
    StateSaveArea& save = vmcb_->save;
    save.rax = registers[cpu::Register::rax];
    save.rsp = registers[cpu::Register::rsp];
    if (control.tlb_control != TlbControl::nothing) [[unlikely]]
        host_->flushed();
    svm_world_switch(&registers, vmcb_physical_, host_->saved_state());
    registers[cpu::Register::rax] = save.rax;
    registers[cpu::Register::rsp] = save.rsp;
    control.vmcb_clean = all_clean;
    ++counters_.world_switches;
    control.tlb_control = TlbControl::nothing;
    control.eventinj =
        Event::Valid::get(control.exitintinfo) ? event_to_redeliver(control.exitintinfo) : 0;
    if (line_.is_on_its_way())
        line_.settle(control);
    const cpu::Exit exit = decode_exit(control);
    if (std::holds_alternative<cpu::InterruptWindowExit>(exit))
        request_interrupt_window(cpu::InterruptWindow::not_wanted);
    return exit;
}

void VirtualCpu::skip(u8 instruction_bytes) {
    vmcb_->save.rip += instruction_bytes;
    vmcb_->control.interrupt_shadow = 0;
}

void VirtualCpu::set_next_rip(u64 rip) {
    vmcb_->save.rip = rip;
    vmcb_->control.interrupt_shadow = 0;
}

cpu::PagingState VirtualCpu::paging_state() const {
    const StateSaveArea& save = vmcb_->save;
    return cpu::PagingState{save.cr0, save.cr3, save.cr4, efer(), save.rflags, save.cpl};
}

bool VirtualCpu::in_64bit_kernel() const {
    const u16 code = vmcb_->save.segments[static_cast<u8>(cpu::SegmentName::cs)].attributes;
    return vmcb_->save.cpl == 0 && cpu::Efer::LongModeActive::get(vmcb_->save.efer) &&
           cpu::Segment::LongMode::get(code);
}

cpu::CodeSize VirtualCpu::code_size() const {
    const u16 code = vmcb_->save.segments[static_cast<u8>(cpu::SegmentName::cs)].attributes;
    if (cpu::Efer::LongModeActive::get(vmcb_->save.efer) && cpu::Segment::LongMode::get(code))
        return cpu::CodeSize::bits64;
    return cpu::Segment::DefaultBig::get(code) ? cpu::CodeSize::bits32 : cpu::CodeSize::bits16;
}

cpu::Segment VirtualCpu::segment(cpu::SegmentName name) const {
    return vmcb_->save.segments[static_cast<u8>(name)];
}

void VirtualCpu::set_segment(cpu::SegmentName name, const cpu::Segment& value) {
    vmcb_->save.segments[static_cast<u8>(name)] = value;
    touch(Clean::segments);
    touch(Clean::descriptor_tables);
}

u64 VirtualCpu::efer() const {
    return cpu::Efer::SecureVirtualMachineEnable::set(vmcb_->save.efer, false);
}

void VirtualCpu::set_efer(u64 value) {
    // VMRUN refuses a guest whose EFER.SVME is clear. [AMD APM vol2 15.5.1]
    vmcb_->save.efer = cpu::Efer::SecureVirtualMachineEnable::set(value, true);
    touch(Clean::control_registers);
}

u64 VirtualCpu::xcr0() const {
    return loaded_ ? read_xcr0() : xcr0_;
}

void VirtualCpu::set_xcr0(u64 value) {
    xcr0_ = value;
    if (loaded_ && read_xcr0() != value) {
        write_xcr0(value);
        ++counters_.xcr0_writes;
    }
}

bool VirtualCpu::interrupts_enabled() const {
    return cpu::Rflags::InterruptEnable::get(vmcb_->save.rflags);
}

bool VirtualCpu::can_take_interrupt() const {
    return interrupts_enabled() && (vmcb_->control.interrupt_shadow & 1) == 0 && !has_event();
}

void VirtualCpu::inject_interrupt(Vector vector) {
    ensure(!has_event(), "an interrupt is injected over another event");
    if (host_->features().repeats_injected)
        return line_.deliver(vmcb_->control, vector);
    vmcb_->control.eventinj = Event::Vector::of(vector.raw()) |
                              Event::TypeField::of(Event::Type::external_interrupt) |
                              Event::Valid::of(true);
}

void VirtualCpu::inject_exception(cpu::Exception exception, std::optional<u32> error_code) {
    const bool nmi = exception == cpu::Exception::nmi;
    vmcb_->control.eventinj =
        Event::Vector::of(static_cast<u8>(exception)) |
        Event::TypeField::of(nmi ? Event::Type::nmi : Event::Type::exception) |
        Event::ErrorCodeValid::of(error_code.has_value()) |
        Event::ErrorCode::of(error_code.value_or(0)) | Event::Valid::of(true);
}

void VirtualCpu::inject_page_fault(GuestVirtual address, u32 error_code) {
    vmcb_->save.cr2 = address.raw();
    touch(Clean::cr2);
    inject_exception(cpu::Exception::page_fault, error_code);
}

void VirtualCpu::request_interrupt_window(cpu::InterruptWindow window) {
    line_.request_window(vmcb_->control, window);
}

u8 VirtualCpu::task_priority() const {
    return VirtualInterrupt::Tpr::get(vmcb_->control.virtual_interrupt) & 0xf;
}

void VirtualCpu::set_task_priority(u8 cr8) {
    u64& interrupt = vmcb_->control.virtual_interrupt;
    interrupt = VirtualInterrupt::Tpr::set(interrupt, cr8 & 0xf);
    touch(Clean::interrupt_control);
}

void VirtualCpu::set_tsc_offset(u64 offset) {
    vmcb_->control.tsc_offset = offset;
    touch(Clean::intercepts);
}

void VirtualCpu::flush_translations() {
    vmcb_->control.tlb_control = TlbControl::flush_all;
    ++counters_.tlb_flushes;
}

} // namespace ravelin::hv::svm

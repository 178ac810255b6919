// SPDX-License-Identifier: Apache-2.0
#include "hv/vmx/lazy_state.hpp"

#include "machine.hpp"

#include <hv/cpu/registers.hpp>

namespace ravelin::hv::vmx {

Status<Error> LazyState::initialise(TableMemory& frames, bool has_xsave) {
    const auto area = frames.allocate();
    if (!area)
        return Failure{Error::out_of_frames};
    extended_frame_ = area.value();
    // SAFETY: only turned into a number, for XSAVE and XRSTOR.
    extended_state_ = reinterpret_cast<u64>(frames.page(area.value()).data());
    has_xsave_ = has_xsave;
    if (has_xsave) {
        const machine::CpuidLeaf leaf = cpuid(0xd, 0);
        xcr0_supported_ = (u64{leaf.edx} << 32 | leaf.eax) & cpu::xcr0_allowed;
    }
    return Unit{};
}

void LazyState::release(TableMemory& frames) {
    frames.release(extended_frame_);
}

void LazyState::load() {
    write_debug_addresses(debug_addresses_);
    write_dr6(dr6_);
    write_cr2(cr2_);
    for (usize i = 0; i < msrs.size(); ++i)
        write_msr(msrs[i], msr_values_[i]);
    loaded_ = true;
    if (!has_xsave_)
        return;
    write_xcr0(xcr0_supported_);
    // SAFETY: the area is a page-aligned frame that holds every component of xcr0_allowed; zeroed
    // or written by XSAVE, so its header is valid.
    asm volatile("xrstor64 (%0)" : : "r"(extended_state_), "a"(~u32{0}), "d"(~u32{0}) : "memory");
    write_xcr0(xcr0_);
    xcr0_writes_ += 2;
}

void LazyState::unload() {
    loaded_ = false;
    debug_addresses_ = read_debug_addresses();
    dr6_ = read_dr6();
    cr2_ = machine::read_cr2();
    for (usize i = 0; i < msrs.size(); ++i)
        msr_values_[i] = read_msr(msrs[i]);
    if (!has_xsave_)
        return;
    write_xcr0(xcr0_supported_);
    ++xcr0_writes_;
    // SAFETY: as in load().
    asm volatile("xsave64 (%0)" : : "r"(extended_state_), "a"(~u32{0}), "d"(~u32{0}) : "memory");
}

u64 LazyState::xcr0() const {
    return xcr0_;
}

void LazyState::set_xcr0(u64 value) {
    const bool changes = xcr0_ != value;
    xcr0_ = value;
    if (!loaded_ || !has_xsave_ || !changes)
        return;
    write_xcr0(value);
    ++xcr0_writes_;
}

void LazyState::set_cr2(u64 value) {
    if (loaded_)
        write_cr2(value);
    else
        cr2_ = value;
}

u64 LazyState::dr6() const {
    return loaded_ ? read_dr6() : dr6_;
}

void LazyState::set_dr6(u64 value) {
    if (loaded_)
        write_dr6(value);
    else
        dr6_ = value;
}

} // namespace ravelin::hv::vmx

// SPDX-License-Identifier: Apache-2.0
// What neither a VMCS nor the world switch holds, because the hypervisor uses none of it: a guest's
// FPU and vector registers, XCR0, CR2, debug registers and system-call MSRs. It is the physical
// CPU's while the vCPU is loaded.
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <hv/vmx/error.hpp>

#include <array>

namespace ravelin::hv::vmx {

class LazyState {
  public:
    [[nodiscard]] Status<Error> initialise(TableMemory& frames, bool has_xsave);
    void release(TableMemory& frames);

    void load();
    void unload();

    [[nodiscard]] u64 xcr0() const;
    void set_xcr0(u64 value);
    [[nodiscard]] u64 xcr0_writes() const { return xcr0_writes_; }
    void set_cr2(u64 value);
    [[nodiscard]] u64 dr6() const;
    void set_dr6(u64 value);

    /// MSRs that a guest may use freely, for the bitmap. [SDM vol2 SYSCALL, SWAPGS]
    static constexpr std::array<u32, 5> msrs{
        0xc000'0081, // STAR
        0xc000'0082, // LSTAR
        0xc000'0083, // CSTAR
        0xc000'0084, // FMASK
        0xc000'0102, // KERNEL_GS_BASE
    };

    static constexpr u64 dr6_reset = 0xffff'0ff0;

  private:
    std::array<u64, msrs.size()> msr_values_{};
    std::array<u64, 4> debug_addresses_{};
    u64 dr6_{dr6_reset};
    u64 cr2_{};
    u64 extended_state_{}; ///< virtual address of the XSAVE area, one frame
    HostFrame extended_frame_{};
    u64 xcr0_{1};
    u64 xcr0_supported_{1};
    u64 xcr0_writes_{};
    bool has_xsave_{};
    bool loaded_{};
};

} // namespace ravelin::hv::vmx

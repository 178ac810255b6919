// SPDX-License-Identifier: Apache-2.0
#include "instructions.hpp"

#include <hv/cpu/registers.hpp>
#include <hv/svm/host.hpp>

namespace ravelin::hv::svm {

namespace {

constexpr u32 msr_efer = 0xc000'0080;
constexpr u32 msr_vm_cr = 0xc001'0114;       // [AMD APM vol2 15.30.1]
constexpr u32 msr_vm_hsave_pa = 0xc001'0117; // [AMD APM vol2 15.30.4]

struct VmCr {
    using SvmDisable = BitFlag<u64, 4>;
};
// CPUID bits: 8000_0001h ECX.SVM, EDX.Page1GB; 8000_000Ah EDX.NP; 0000_0001h ECX.XSAVE.
using CpuidSvm = BitFlag<u32, 2>;
using CpuidPage1Gb = BitFlag<u32, 26>;
using CpuidNestedPaging = BitFlag<u32, 0>;
using CpuidXsave = BitFlag<u32, 26>;
using CpuidPauseFilter = BitFlag<u32, 10>; // 8000_000Ah EDX
using CpuidPauseThreshold = BitFlag<u32, 12>;
using CpuidHypervisor = BitFlag<u32, 31>; // 0000_0001h ECX

bool is_tcg() {
    constexpr u32 tcgt = 0x54474354; // "TCGT", "CGTC", "GTCG"
    return CpuidHypervisor::get(cpuid(1).ecx) && cpuid(0x4000'0000).ebx == tcgt;
}

} // namespace

const char* describe(Error error) {
    switch (error) {
    case Error::no_svm:
        return "the CPU has no SVM";
    case Error::disabled:
        return "SVM is disabled by the firmware (VM_CR.SVMDIS)";
    case Error::no_nested_pages:
        return "the CPU's SVM has no nested paging";
    case Error::out_of_frames:
        return "no memory for the host save area";
    }
    return "unknown SVM error";
}

Result<Features, Error> detect() {
    if (cpuid(0x8000'0000).eax < 0x8000'000a)
        return Failure{Error::no_svm};
    const machine::CpuidLeaf extended = cpuid(0x8000'0001);
    if (!CpuidSvm::get(extended.ecx))
        return Failure{Error::no_svm};
    if (VmCr::SvmDisable::get(read_msr(msr_vm_cr)))
        return Failure{Error::disabled};
    const machine::CpuidLeaf svm = cpuid(0x8000'000a);
    if (!CpuidNestedPaging::get(svm.edx))
        return Failure{Error::no_nested_pages};
    return Features{svm.eax & 0xff,
                    svm.ebx,
                    CpuidPage1Gb::get(extended.edx) ? stage2::LargestPage::size_1g
                                                    : stage2::LargestPage::size_2m,
                    CpuidXsave::get(cpuid(1).ecx),
                    CpuidPauseFilter::get(svm.edx) && CpuidPauseThreshold::get(svm.edx),
                    is_tcg()};
}

Status<Error> Host::enable(TableMemory& frames) {
    features_ = RAVELIN_TRY(detect());
    const auto save_area = frames.allocate();
    const auto state = frames.allocate();
    if (!save_area || !state)
        return Failure{Error::out_of_frames};
    using Enable = cpu::Efer::SecureVirtualMachineEnable;
    write_msr(msr_efer, Enable::set(read_msr(msr_efer), true));
    if (!Enable::get(read_msr(msr_efer)))
        return Failure{Error::disabled};
    write_msr(msr_vm_hsave_pa, save_area.value().address().raw());
    saved_state_ = state.value().address().raw();
    vmsave(saved_state_);
    return Unit{};
}

u32 Host::take_asid() {
    // ASID 0 is the host's. [AMD APM vol2 15.16]
    if (++last_asid_ >= features_.asids) {
        last_asid_ = 1;
        ++generation_;
        must_flush_ = true;
    }
    return last_asid_;
}

} // namespace ravelin::hv::svm

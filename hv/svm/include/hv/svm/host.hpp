// SPDX-License-Identifier: Apache-2.0
// One physical CPU's part of SVM: detection, EFER.SVME, the host save area and the VMCB that holds
// the host's own VMSAVE state. [AMD APM vol2 15.4, 15.30.4]
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <hv/stage2/page_table.hpp>

namespace ravelin::hv::svm {

enum class Error : u8 {
    no_svm,          ///< CPUID 8000_0001h ECX[SVM] is clear
    disabled,        ///< firmware set VM_CR.SVMDIS
    no_nested_pages, ///< CPUID 8000_000Ah EDX[NP] is clear
    out_of_frames,
};
[[nodiscard]] const char* describe(Error error);

/// What CPUID says, found by the feature bits and never by the vendor's name.
struct Features {
    u32 revision;
    u32 asids;
    stage2::LargestPage largest_page;
    bool xsave;
    bool pause_filter; ///< with threshold [AMD APM vol2 15.14.4]
    /// QEMU's TCG, 7.2 and later: it keeps the vector of an external interrupt that EVENTINJ named
    /// as the exception its loop is about to deliver, and delivers it once more, wherever the guest
    /// is, when another thread asks the loop to stop before an exit (helper_vmrun() sets
    /// exception_index and nobody clears it). Virtual interrupts do not have that.
    bool repeats_injected;
};

/// Whether this CPU can run guests. Context: any CPU, long mode.
[[nodiscard]] Result<Features, Error> detect();

/// Turns SVM on here and owns the frames that takes. Stays for ever.
class Host {
  public:
    Host() = default;
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    /// Context: on the CPU this object belongs to, once; GDT, TSS and per-CPU bases already loaded,
    /// because they are what every exit returns to.
    [[nodiscard]] Status<Error> enable(TableMemory& frames);

    [[nodiscard]] const Features& features() const { return features_; }
    /// Host-physical address of the VMCB with the host's FS, GS, TR, LDTR and system-call MSRs.
    [[nodiscard]] u64 saved_state() const { return saved_state_; }

    /// An ASID of this generation that nobody has; when there is none left, a generation begins,
    /// and until an entry has flushed the whole TLB every entry must. Context: its own CPU.
    [[nodiscard]] u32 take_asid();
    [[nodiscard]] u64 generation() const { return generation_; }
    [[nodiscard]] bool must_flush() const { return must_flush_; }
    void flushed() { must_flush_ = false; }

  private:
    Features features_{};
    u64 saved_state_{};
    u32 last_asid_{};
    u64 generation_{1};
    bool must_flush_{true};
};

} // namespace ravelin::hv::svm

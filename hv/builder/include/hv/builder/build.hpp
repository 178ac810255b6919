// SPDX-License-Identifier: Apache-2.0
// From a plan to a domain that can be entered: memory, kernel, ramdisk, command line, start_info,
// ACPI. Everything it copies was measured before. A malformed image is refused in words and leaves
// no half-built domain running. [xen/arch-x86/hvm/start_info.h]
#pragma once

#include <base/result.hpp>
#include <hv/builder/plan.hpp>
#include <hv/domain/domain.hpp>
#include <hv/mm/frames.hpp>
#include <wire/elf.hpp>

namespace ravelin::hv::builder {

enum class BuildError : u8 {
    kernel,          ///< not a PVH kernel; `elf` says why
    too_little_room, ///< kernel, ramdisk and tables do not fit the domain's memory
    bad_memory_size, ///< below 16 MiB, above 3 GiB where devices begin, or no multiple of 2 MiB
    out_of_frames,
    stage2,
    text_too_long,
};
struct BuildFailure {
    BuildError error;
    wire::ElfError elf{};
};
[[nodiscard]] std::string_view text(const BuildFailure& failure);

/// What the first vCPU is entered with: EIP, and start_info's address in EBX.
struct Entry {
    u32 rip;
    u32 start_info;
};

/// Ticks are the caller's business: called between the steps that the boot report leaves out.
class BuildObserver {
  public:
    virtual void copying(bool begins) = 0;

  protected:
    ~BuildObserver() = default;
};

/// Whether a domain may have that much: a multiple of 2 MiB, from 16 MiB to 3 GiB.
[[nodiscard]] bool is_memory_size(Bytes memory);

/// Gives a domain whose stage-2 table is initialised the next part, 16 MiB at most: of its memory,
/// from the bottom, then of kernel and ramdisk. True when it has all of them. Nothing else may map
/// anything meanwhile, and the plan stays the same. Context: a builder's hypercall.
[[nodiscard]] Result<bool, BuildFailure> give_next_part(const Plan& plan,
                                                        domain::Domain& domain,
                                                        mm::FrameAllocator& frames,
                                                        Progress& progress);

/// Gives it the rest, and finishes it. Context: start-up, or a builder's hypercall.
[[nodiscard]] Result<Entry, BuildFailure> build(const Plan& plan,
                                                domain::Domain& domain,
                                                mm::FrameAllocator& frames,
                                                Progress& progress,
                                                BuildObserver& observer);

} // namespace ravelin::hv::builder

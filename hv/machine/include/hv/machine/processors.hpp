// SPDX-License-Identifier: Apache-2.0
// All CPUs of the machine: started by INIT and SIPI, each with its own stacks and descriptor
// tables, then parked in HLT until it is given work.
#pragma once

#include <hv/machine/processor.hpp>

#include <span>

namespace ravelin::hv::machine {

/// Starts one CPU in real mode at a page below 1 MiB.
using Wake = void (*)(ApicId target, HostPhysical page);

/// What starting needs from the rest: memory below 1 MiB for the first instructions, and tables.
struct StartUpEnvironment {
    HostPhysical page; ///< a free frame below 1 MiB
    HostPhysical
        boot_tables;     ///< below 4 GiB; maps `page` and the image at their physical addresses
    HostPhysical tables; ///< the final ones
    /// Where the CPUs wait for somebody else's word instead of INIT and SIPI.
    Wake wake{nullptr};
};

/// The CPU with that number; `CpuId{0}` is the boot CPU. Precondition: below processor_count().
[[nodiscard]] Processor& processor(CpuId id);
[[nodiscard]] usize processor_count();

/// Prepares the boot CPU's own entry: called before anything else here.
[[nodiscard]] Processor& boot_processor();
/// Adds a CPU whose stacks are set by the caller. Context: boot CPU. None when there is no room.
[[nodiscard]] Processor* add_processor(ApicId apic_id);

/// Starts every CPU that was added; those that do not answer within 100 ms stay off and are counted
/// in the result. Context: boot CPU, timer calibrated, interrupts disabled.
[[nodiscard]] u32 start_processors(const StartUpEnvironment& environment);
/// TSC ticks that start_processors() spent in waits that hardware asks for.
[[nodiscard]] u64 start_up_wait_ticks();

/// Runs `work(context)` on a parked CPU, once. Context: any CPU; the target must be parked.
using Work = void (*)(void* context);
void give_work(CpuId target, Work work, void* context);
/// Makes a CPU leave its guest or its HLT.
void kick(CpuId target);

} // namespace ravelin::hv::machine

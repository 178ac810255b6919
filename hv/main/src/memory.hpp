// SPDX-License-Identifier: Apache-2.0
// The machine's memory put in order: every frame accounted for, the final page tables loaded.
#pragma once

#include <base/result.hpp>
#include <base/table_memory.hpp>
#include <hv/boot/boot_info.hpp>
#include <hv/mm/frames.hpp>

#include <optional>

namespace ravelin::hv {

enum class MemorySetupError : u8 {
    too_little,     ///< less than 64 MiB of RAM, or no room for the frame table
    tables,         ///< the page tables could not be built
    module_outside, ///< a module lies outside RAM
};
[[nodiscard]] std::string_view text(MemorySetupError error);

/// Frames for hardware tables of one type, out of the frame allocator.
class FrameTables final : public TableMemory {
  public:
    constexpr explicit FrameTables(mm::FrameType type) : type_{type} {}
    [[nodiscard]] Result<HostFrame, TableMemoryError> allocate() override;
    void release(HostFrame frame) override;
    [[nodiscard]] TablePage page(HostFrame frame) override;
    [[nodiscard]] u64* linear() override;

  private:
    mm::FrameType type_;
};

/// The one frame allocator.
[[nodiscard]] mm::FrameAllocator& frames();

/// Builds the frame table, reserves image, modules, low memory and logs, and loads the final page
/// tables: image with W^X and guard pages, RAM in the direct map, nothing else. Context: boot CPU,
/// once.
[[nodiscard]] Status<MemorySetupError> set_up_memory(const boot::BootInfo& info);

/// Makes device registers reachable, uncached, through the direct map. Idempotent for the same
/// range. Context: boot CPU, before the others run.
[[nodiscard]] Status<MemorySetupError> map_device(HostPhysical start, Bytes size);

/// Makes what the firmware left in memory readable through the direct map, wherever it lies.
/// Idempotent. Context: boot CPU, before the others run.
[[nodiscard]] Status<MemorySetupError> map_firmware(HostPhysical start, Bytes size);

/// Makes memory that somebody beside us uses readable and writable, write-back, through the direct
/// map. Idempotent. Context: boot CPU, before the others run.
[[nodiscard]] Status<MemorySetupError> map_shared(HostPhysical start, Bytes size);

/// A frame of RAM below 1 MiB that holds nothing of the loader's or the firmware's, for the first
/// instructions of the other CPUs.
[[nodiscard]] std::optional<HostPhysical> start_up_page(const boot::BootInfo& info);

/// A stack of 16 KiB with an unmapped page below it; its top.
[[nodiscard]] Result<HostVirtual, MemorySetupError> make_stack();

/// The final tables' root, for the other CPUs.
[[nodiscard]] HostPhysical host_table_root();

/// Bytes that the hypervisor keeps for itself: image, frame table, stacks, logs, VMCBs; without
/// modules and page tables.
[[nodiscard]] u64 own_memory(const mm::FrameCounts& counts);

} // namespace ravelin::hv

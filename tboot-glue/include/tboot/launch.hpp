// SPDX-License-Identifier: Apache-2.0
// What a launch by tboot left behind: its shared page, the TXT registers, the heap. They are looked
// at together, because each alone can be there without a launch. Whether the launch was DRTM is not
// decided here: that also needs the TPM (hv/tpm/launch).
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <wire/tboot_shared.hpp>
#include <wire/txt_heap.hpp>

#include <tboot/memory.hpp>
#include <tboot/registers.hpp>

namespace ravelin::tboot {

/// Why there was no measured launch, or none that can be relied on.
struct Refusal {
    std::string_view what;
    std::string_view detail{}; ///< may be empty
};

/// How memory is looked at. What a view gives stays valid, and nothing but this CPU and SINIT's
/// protections can change it.
class PhysicalMemory {
  public:
    /// None where it cannot be read.
    [[nodiscard]] virtual std::optional<std::span<const u8>> view(HostPhysical at, usize size) = 0;

  protected:
    ~PhysicalMemory() = default;
};

struct Launch {
    HostPhysical shared_page{};
    wire::tboot::Shared shared{};
    wire::txt::Heap heap{}; ///< views into heap_range
    MemoryRange heap_range{};
    std::span<const u8> event_log{};
    /// Heap, SINIT, tboot with its page, its text log, the register spaces: no domain's, no
    /// device's.
    FixedVector<MemoryRange, 8> kept{};

    [[nodiscard]] UsableMemory usable_memory() const {
        return {heap.sinit_mle.memory.span(), kept.span()};
    }
};

/// Follows `shared_page`, the registers and the heap, in this order. `out`, fresh, is filled in
/// place, because it is larger than a stack frame should be, and is worth nothing after an error.
[[nodiscard]] Status<Refusal>
examine(HostPhysical shared_page, Registers& registers, PhysicalMemory& memory, Launch& out);

} // namespace ravelin::tboot

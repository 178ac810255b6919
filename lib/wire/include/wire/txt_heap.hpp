// SPDX-License-Identifier: Apache-2.0
// The TXT heap after a measured launch: what BIOS, the launching environment and SINIT tell the
// measured environment. Pure decoders of untrusted bytes: every size, offset and element is bounded
// by the table that holds it, and a version that is not known is refused. [TXT SDG rev 17, C]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace ravelin::wire::txt {

struct HeapError {
    enum class Kind : u8 {
        truncated,   ///< a table ends outside the heap, or is shorter than its fixed part
        bad_version, ///< of a table, not one that is known
        bad_element, ///< an extended data element that cannot be, or no end element
        bad_offset,  ///< an offset or a count leads outside its table
        bad_range,   ///< a memory range that is empty or wraps around
        too_many,    ///< more memory descriptors than anything here has room for
        twice,       ///< two elements where one may be
    };
    Kind kind{};
    usize offset{}; ///< in the heap, of the table or element at fault
    friend bool operator==(const HeapError&, const HeapError&) = default;
};
[[nodiscard]] std::string_view text(HeapError::Kind kind);

struct MemoryRange {
    HostPhysical start{};
    Bytes size{};
};

/// [TXT SDG C.2] Versions 5 and 6.
struct BiosData {
    u32 version{};
    u32 sinit_size{};         ///< of the SINIT module that the BIOS provides; 0: none
    u32 logical_processors{}; ///< as the BIOS counted them
};

/// Where the crypto-agile event log is: element type 8 of OsSinitData. [TXT SDG C.5.2]
struct EventLogPointer {
    HostPhysical start{};
    u32 capacity{};
    u32 first{}; ///< offset of the first event
    u32 next{};  ///< offset behind the last event, at most `capacity`
};

/// [TXT SDG C.4] Versions 6 and 7.
struct OsSinitData {
    u32 version{};
    HostPhysical mle_page_table{};
    Bytes mle_size{};
    u64 mle_header{};                     ///< offset in the MLE
    std::optional<MemoryRange> low_pmr{}; ///< DMA-protected ranges that SINIT was asked for
    std::optional<MemoryRange> high_pmr{};
    u32 capabilities{};
    HostPhysical rsdp{};
    std::optional<EventLogPointer> event_log{};
};

/// What a range of memory is good for, in SINIT's judgement. [TXT SDG C.6, table 26]
enum class MemoryUse : u8 {
    good = 0, ///< RAM that nothing but the CPUs and DMA under VT-d reaches
    smm_overlay = 1,
    smm_non_overlay = 2,
    pcie_configuration = 3,
    protected_memory = 4,
};
struct MemoryDescriptor {
    MemoryRange range{};
    MemoryUse use{};
};

/// [TXT SDG C.6] Versions 8 and 9.
struct SinitMleData {
    static constexpr usize max_memory = 64;
    u32 version{};
    u32 rlp_wakeup{};
    FixedVector<MemoryDescriptor, max_memory> memory{};
    std::span<const u8> dmar{}; ///< SINIT's copy of the ACPI table; empty when there is none
};

struct Heap {
    BiosData bios{};
    std::span<const u8> os_mle{}; ///< the launching environment's own, opaque here
    OsSinitData os_sinit{};
    SinitMleData sinit_mle{};
};

/// Decodes the four tables at the start of `heap`. `out`, fresh, is filled in place, because it is
/// larger than a stack frame should be, and is worth nothing after an error.
[[nodiscard]] Status<HeapError> decode_heap(std::span<const u8> heap, Heap& out);

} // namespace ravelin::wire::txt

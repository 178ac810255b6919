// SPDX-License-Identifier: Apache-2.0
// What a unit stopped. [VT-d 7, appendix A]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <string_view>

namespace ravelin::iommu {

enum class FaultType : u8 { write, read, page_request, atomic, interrupt };
[[nodiscard]] std::string_view text(FaultType type);

struct Fault {
    u16 source_id{};
    FaultType type{};
    u8 reason{};   ///< appendix A's number
    u64 address{}; ///< of the page the device wanted; for interrupts, the remapping index
    friend bool operator==(const Fault&, const Fault&) = default;
};
[[nodiscard]] std::string_view fault_reason(u8 reason);

struct FaultBatch {
    FixedVector<Fault, 32> faults{};
    bool lost{}; ///< the unit ran out of records: at least one fault is not here
};

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
#include "iommu/fault.hpp"

namespace ravelin::iommu {

std::string_view text(FaultType type) {
    switch (type) {
    case FaultType::write:
        return "write";
    case FaultType::read:
        return "read";
    case FaultType::page_request:
        return "page request";
    case FaultType::atomic:
        return "atomic access";
    case FaultType::interrupt:
        return "interrupt";
    }
    return "unknown";
}

std::string_view fault_reason(u8 reason) { // [VT-d appendix A]
    switch (reason) {
    case 0x01:
        return "root entry not present";
    case 0x02:
        return "the device belongs to no domain";
    case 0x03:
        return "context entry invalid";
    case 0x04:
        return "address beyond the domain's width";
    case 0x05:
        return "not writable in its domain";
    case 0x06:
        return "not readable in its domain";
    case 0x07:
        return "a page table cannot be read";
    case 0x08:
        return "the root table cannot be read";
    case 0x09:
        return "a context table cannot be read";
    case 0x0a:
        return "reserved bits in a root entry";
    case 0x0b:
        return "reserved bits in a context entry";
    case 0x0c:
        return "reserved bits in a page table";
    case 0x0d:
        return "translated request blocked";
    case 0x20:
        return "reserved bits in an interrupt request";
    case 0x21:
        return "interrupt index beyond the table";
    case 0x22:
        return "interrupt entry not present";
    case 0x23:
        return "the interrupt table cannot be read";
    case 0x24:
        return "reserved bits in an interrupt entry";
    case 0x25:
        return "compatibility-format interrupt blocked";
    case 0x26:
        return "interrupt of another device";
    default:
        return "other reason";
    }
}

} // namespace ravelin::iommu

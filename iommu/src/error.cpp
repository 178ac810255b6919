// SPDX-License-Identifier: Apache-2.0
#include "iommu/error.hpp"

namespace ravelin::iommu {

std::string_view text(Error error) {
    switch (error) {
    case Error::no_queued_invalidation:
        return "the unit has no queued invalidation";
    case Error::no_interrupt_remapping:
        return "the unit has no interrupt remapping";
    case Error::no_address_width:
        return "the units share no table of 3 or 4 levels";
    case Error::too_many_units:
        return "there are more units than this build has room for";
    case Error::out_of_frames:
        return "no memory for a table";
    case Error::timed_out:
        return "the unit did not answer in time";
    case Error::invalidation_refused:
        return "the unit stopped its invalidation queue";
    case Error::not_forgotten:
        return "a unit does not answer: devices may still reach the page";
    case Error::unit_failed:
        return "the unit failed earlier";
    case Error::misaligned:
        return "not whole pages";
    case Error::out_of_range:
        return "beyond the addresses that the unit translates";
    case Error::no_rights:
        return "a mapping without read and write";
    case Error::already_mapped:
        return "something is mapped there";
    case Error::not_mapped:
        return "nothing is mapped there";
    case Error::already_attached:
        return "the device belongs to a domain";
    case Error::not_attached:
        return "the device belongs to no domain";
    case Error::no_unit_for_device:
        return "no remapping unit serves the device";
    case Error::reserved_memory:
        return "the firmware reserves memory for the device's DMA (RMRR)";
    case Error::out_of_interrupts:
        return "no interrupt remapping entry is free";
    case Error::bad_interrupt:
        return "an impossible interrupt";
    }
    return "unknown";
}

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
// Why something about DMA was refused or failed.
#pragma once

#include <base/types.hpp>

#include <string_view>

namespace ravelin::iommu {

enum class Error : u8 {
    no_queued_invalidation, ///< ECAP.QI
    no_interrupt_remapping, ///< ECAP.IR
    no_address_width,       ///< CAP.SAGAW has neither 3 nor 4 levels
    too_many_units,         ///< more than there is room for
    out_of_frames,          ///< no frame for a table
    timed_out,              ///< the unit did not confirm a command or an invalidation
    invalidation_refused,   ///< the unit stopped its queue: FSTS.IQE, ICE or ITE
    not_forgotten,          ///< a unit did not confirm: a device may still reach the page
    unit_failed,            ///< an earlier error: its caches are no longer known
    misaligned,             ///< an address or size is no multiple of 4 KiB, or the size is zero
    out_of_range,           ///< beyond what the tables' levels translate
    no_rights,              ///< a mapping that allows nothing
    already_mapped,         ///< map() over something mapped
    not_mapped,             ///< unmap() of a hole
    already_attached,       ///< the device belongs to a domain
    not_attached,           ///< detach() of a device that belongs to none
    no_unit_for_device,     ///< no remapping unit serves the device
    reserved_memory,        ///< the firmware wants memory reachable for the device (RMRR)
    out_of_interrupts,      ///< no free interrupt remapping entry
    bad_interrupt,          ///< a vector below 16, a target beyond xAPIC, or a stale handle
};
[[nodiscard]] std::string_view text(Error error);

} // namespace ravelin::iommu

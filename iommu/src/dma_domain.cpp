// SPDX-License-Identifier: Apache-2.0
#include "iommu/dma_domain.hpp"

#include <algorithm>

namespace ravelin::iommu {

Status<Error> DmaDomain::map(GuestPhysical start, HostPhysical host, Bytes size, Access access) {
    (void)RAVELIN_TRY(table_.map(start, host, size, access));
    const bool absence_cached =
        std::any_of(devices_.begin(), devices_.end(), [](const Attachment& attachment) {
            const Capabilities& unit = attachment.unit->capabilities();
            return unit.caches_absent_entries || unit.buffers_writes;
        });
    if (absence_cached && !forget_translations()) {
        // Gone from the tables; whether devices saw it meanwhile nobody knows.
        (void)table_.unmap(start, size).is_ok();
        return Failure{Error::not_forgotten};
    }
    return Unit{};
}

Status<Error> DmaDomain::unmap(GuestPhysical start, Bytes size) {
    return table_.unmap(start, size);
}

Status<Error> DmaDomain::attach(PciAddress device, RemappingUnit& unit) {
    if (has(device))
        return Failure{Error::already_attached};
    if (devices_.full())
        return Failure{Error::too_many_units};
    (void)RAVELIN_TRY(unit.attach(device.source_id(), table_.root(), table_.levels(), tag_));
    const bool kept = devices_.push_back(Attachment{device, &unit});
    ensure(kept, "room was checked");
    return Unit{};
}

Status<Error> DmaDomain::detach(PciAddress device) {
    for (usize i = 0; i < devices_.size(); ++i) {
        if (devices_[i].device != device)
            continue;
        (void)RAVELIN_TRY(devices_[i].unit->detach(device.source_id(), tag_));
        devices_.swap_remove(i);
        return Unit{};
    }
    return Failure{Error::not_attached};
}

bool DmaDomain::has(PciAddress device) const {
    return std::any_of(devices_.begin(), devices_.end(), [device](const Attachment& attachment) {
        return attachment.device == device;
    });
}

/// Asks each unit once, however many devices it serves.
Status<Error> DmaDomain::forget_translations() {
    for (usize i = 0; i < devices_.size(); ++i) {
        RemappingUnit* const unit = devices_[i].unit;
        const auto before = devices_.span().first(i);
        const bool asked = std::any_of(
            before.begin(), before.end(), [unit](const Attachment& a) { return a.unit == unit; });
        if (!asked)
            (void)RAVELIN_TRY(unit->forget_domain(tag_));
    }
    return Unit{};
}

} // namespace ravelin::iommu

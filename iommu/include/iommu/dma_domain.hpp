// SPDX-License-Identifier: Apache-2.0
// The memory that one domain's devices reach: its tables, and the devices attached to them. A page
// is unmapped, forgotten by every unit, and only then given back.
#pragma once

#include <iommu/remapping_unit.hpp>

namespace ravelin::iommu {

class DmaDomain final : Forgetting {
  public:
    DmaDomain(DomainId owner, DomainTag tag, Geometry geometry, TableWriter writer)
        : owner_{owner}, tag_{tag}, table_{geometry, writer, *this} {}

    [[nodiscard]] Status<Error> initialise() { return table_.initialise(); }
    [[nodiscard]] DomainId owner() const { return owner_; }

    /// After an error nothing is mapped; after not_forgotten a device may reach it all the same.
    [[nodiscard]] Status<Error>
    map(GuestPhysical start, HostPhysical host, Bytes size, Access access);
    [[nodiscard]] Status<Error> unmap(GuestPhysical start, Bytes size);
    [[nodiscard]] const SecondLevelTable& table() const { return table_; }

    /// Lets a device, served by `unit`, reach what is mapped.
    [[nodiscard]] Status<Error> attach(PciAddress device, RemappingUnit& unit);
    /// The device reaches nothing when this returns. After an error it stays listed: it might
    /// still.
    [[nodiscard]] Status<Error> detach(PciAddress device);
    [[nodiscard]] bool has(PciAddress device) const;

  private:
    struct Attachment {
        PciAddress device;
        RemappingUnit* unit;
    };
    [[nodiscard]] Status<Error> forget_translations() override;

    DomainId owner_;
    DomainTag tag_;
    SecondLevelTable table_;
    FixedVector<Attachment, 128> devices_;
};

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
// VT-d on the machine: the units that DMAR names, their registers through the direct map, one
// interrupt table for all, and the tables of the one domain that owns devices.
#include "dma.hpp"

#include "firmware_tables.hpp"
#include "lazy.hpp"
#include "measured.hpp"
#include "memory.hpp"
#include "tpm.hpp"

#include <base/lock.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/local_apic.hpp>
#include <hv/machine/timer.hpp>
#include <hv/mm/direct_map.hpp>
#include <iommu/dma_domain.hpp>
#include <iommu/interrupt_remapper.hpp>
#include <iommu/remapping_unit.hpp>
#include <wire/dmar.hpp>

#include <algorithm>
#include <array>

namespace ravelin::hv {
namespace {

using machine::log;

class UnitRegisters final : public iommu::RegisterSpace {
  public:
    void set_base(HostPhysical base) { base_ = base; }
    u32 read32(u32 offset) override { return *at<u32>(offset); }
    u64 read64(u32 offset) override { return *at<u64>(offset); }
    void write32(u32 offset, u32 value) override { *at<u32>(offset) = value; }
    void write64(u32 offset, u64 value) override { *at<u64>(offset) = value; }

  private:
    template <typename T> volatile T* at(u32 offset) {
        // SAFETY: a unit's registers, mapped uncached by map_device(), one access of that size.
        return mm::direct_map_pointer<volatile T>(base_ + offset);
    }
    HostPhysical base_{};
};

class UnitPlatform final : public iommu::Platform {
  public:
    u64 microseconds() override { return machine::tsc_to_nanoseconds(machine::read_tsc()) / 1000; }
    void relax() override { __builtin_ia32_pause(); }
    void write_back(const void* at, usize size) override {
        constexpr u64 line = 64;
        // SAFETY: cache maintenance of our own tables.
        const u64 start = reinterpret_cast<u64>(at);
        for (u64 address = start & ~(line - 1); address < start + size; address += line)
            // SAFETY: as above.
            asm volatile("clflush (%0)" ::"r"(address) : "memory");
        // SAFETY: orders the flushes before what tells the unit.
        asm volatile("mfence" ::: "memory");
    }
};

struct Unit {
    UnitRegisters registers;
    Lazy<iommu::RemappingUnit> unit;
};

// Written by the boot CPU during start-up; then used by the CPU that runs domain 0, interrupts
// disabled.
constexpr usize max_units = 8;
constinit UnitPlatform platform;
constinit FrameTables iommu_frames{mm::FrameType::iommu_table};
constinit Unit units[max_units];
constinit Lazy<iommu::InterruptRemapper> remapper;
constinit Lazy<iommu::DmaDomain> dma_domain;
wire::Dmar dmar;
iommu::Geometry geometry;
iommu::Coherency coherency = iommu::Coherency::snooped;
DomainId device_owner{};
/// Of the tables, and of the units' one invalidation queue each, once domains run: flushes of DMA
/// and of interrupt entries share it.
constinit SpinLock remapping_lock;

/// A device as everybody writes it: bus:device.function, in hexadecimal.
class DeviceName {
  public:
    explicit DeviceName(PciAddress device)
        : text_{digit(device.bus >> 4),
                digit(device.bus),
                ':',
                digit(device.device >> 4),
                digit(device.device),
                '.',
                digit(device.function)} {}
    [[nodiscard]] std::string_view view() const { return {text_.data(), text_.size()}; }

  private:
    static constexpr char digit(unsigned value) { return "0123456789abcdef"[value & 15]; }
    std::array<char, 7> text_;
};

bool unprotected(std::string_view why) {
    log("DMA UNPROTECTED: {}: no device is given to a domain", why);
    return false;
}

/// Whether a scope names this device directly below the root; scopes behind bridges serve buses
/// that no domain sees.
bool names(const wire::DmarUnit& unit, PciAddress device) {
    const auto scopes = dmar.of(unit.scopes);
    return std::any_of(scopes.begin(), scopes.end(), [device](const wire::DeviceScope& scope) {
        return scope.type == wire::ScopeType::endpoint && scope.start_bus == device.bus &&
               scope.path.size() == 1 &&
               scope.path[0] == wire::ScopeHop{device.device, device.function};
    });
}

iommu::RemappingUnit* unit_of(PciAddress device) {
    iommu::RemappingUnit* rest = nullptr;
    for (usize i = 0; i < dmar.units.size(); ++i) {
        const wire::DmarUnit& unit = dmar.units[i];
        if (unit.segment != device.segment)
            continue;
        if (unit.coverage == wire::Coverage::all_others)
            rest = &*units[i].unit;
        else if (names(unit, device))
            return &*units[i].unit;
    }
    return rest;
}

bool wants_reserved_memory(PciAddress device) {
    return std::any_of(
        dmar.reserved.begin(),
        dmar.reserved.end(),
        [device](const wire::DmarReservedMemory& reserved) {
            const auto scopes = dmar.of(reserved.scopes);
            return std::any_of(
                scopes.begin(), scopes.end(), [device](const wire::DeviceScope& scope) {
                    return scope.start_bus == device.bus && !scope.path.empty() &&
                           scope.path[0] == wire::ScopeHop{device.device, device.function};
                });
        });
}

/// Every unit, on its registers; then what all of them can walk.
bool find_units() {
    FixedVector<iommu::Capabilities, max_units> capabilities;
    for (usize i = 0; i < dmar.units.size(); ++i) {
        const wire::DmarUnit& description = dmar.units[i];
        if (!map_device(description.registers, description.register_size))
            return unprotected("a unit's registers could not be mapped");
        units[i].registers.set_base(description.registers);
        iommu::RemappingUnit& unit =
            units[i].unit.construct(units[i].registers, platform, iommu_frames);
        if (const auto usable = unit.capabilities().usable(); !usable)
            return unprotected(iommu::text(usable.error()));
        if (unit.capabilities().coherency == iommu::Coherency::written_back)
            coherency = iommu::Coherency::written_back;
        ensure(capabilities.push_back(unit.capabilities()), "as many capabilities as units");
    }
    const auto common = iommu::common_geometry(capabilities.span());
    if (!common)
        return unprotected(iommu::text(common.error()));
    geometry = common.value();
    return true;
}

bool deny_everything() {
    const iommu::TableWriter writer{platform, iommu_frames, coherency};
    remapper.construct(writer);
    if (const auto ready = remapper->initialise(); !ready)
        return unprotected(iommu::text(ready.error()));
    for (usize i = 0; i < dmar.units.size(); ++i) {
        if (const auto on = units[i].unit->enable_deny_all(remapper->table()); !on)
            return unprotected(iommu::text(on.error()));
        if (const auto added = remapper->add_unit(*units[i].unit); !added)
            return unprotected(iommu::text(added.error()));
    }
    return true;
}

/// Maps what stage 2 maps of the domain's RAM, in runs of one host-contiguous range. What the
/// builder put there is all there is: the hypervisor's shared pages appear later and are no memory
/// of the domain's.
bool map_memory(domain::Domain& domain) {
    for (const domain::MemoryRegion& region : domain.memory_map()) {
        const u64 end = region.start.raw() + region.size.raw();
        for (u64 at = region.start.raw(); at < end;) {
            const auto here = domain.stage2().translate(GuestPhysical{at});
            if (!here || here->type != stage2::MemoryType::write_back) {
                at += page_size;
                continue;
            }
            const u64 page_end = (at & ~(here->page_bytes - 1)) + here->page_bytes;
            const u64 size = std::min(page_end, end) - at;
            if (!dma_domain->map(GuestPhysical{at}, here->address, Bytes{size}, Access::read_write))
                return false;
            at += size;
        }
    }
    return true;
}

/// The domain that owns devices has tables of theirs; there is one such domain.
class Mirror final : public grants::DmaMirror {
  public:
    grants::Mirrored
    map(const domain::Domain& domain, GuestFrame at, HostFrame frame, Access access) override {
        const LockGuard guard{remapping_lock};
        if (!owns_devices(domain))
            return grants::Mirrored::done;
        const auto mapped =
            dma_domain->map(at.address(), frame.address(), Bytes{page_size}, access);
        if (mapped)
            return grants::Mirrored::done;
        return mapped.error() == iommu::Error::not_forgotten ? grants::Mirrored::unknown
                                                             : grants::Mirrored::refused;
    }
    bool unmap(const domain::Domain& domain, GuestFrame at) override {
        const LockGuard guard{remapping_lock};
        if (!owns_devices(domain))
            return true;
        const auto forgotten = dma_domain->unmap(at.address(), Bytes{page_size});
        if (!forgotten)
            log("iommu: page {x} of domain {} stays: {}",
                at.raw(),
                domain.id().raw(),
                iommu::text(forgotten.error()));
        return forgotten.is_ok();
    }

  private:
    static bool owns_devices(const domain::Domain& domain) {
        return dma_domain.constructed() && domain.id() == device_owner;
    }
};
constinit Mirror mirror;

} // namespace

grants::DmaMirror& dma_mirror() {
    return mirror;
}

bool start_dma_protection() {
    // Under TXT the firmware's own table is not protected from DMA; SINIT's checked copy is.
    const tboot::Launch* launch = dynamic_launch();
    const auto table =
        launch == nullptr
            ? firmware_tables().all.find("DMAR")
            : Result<std::span<const u8>, wire::AcpiError>{launch->heap.sinit_mle.dmar};
    if (!table || table.value().empty())
        return unprotected(launch == nullptr ? "the firmware names no VT-d (no DMAR table)"
                                             : "SINIT left no DMAR table");
    if (const auto decoded = wire::decode_dmar(table.value(), dmar); !decoded) {
        log("DMAR: {} at byte {}", wire::text(decoded.error().kind), decoded.error().offset);
        return unprotected("its DMAR table does not decode");
    }
    if (dmar.units.size() > max_units || !dmar.interrupt_remapping)
        return unprotected("interrupts cannot be remapped, or there are too many units");
    if (!find_units() || !deny_everything())
        return false;
    tpm_service().set_dma(wire::DmaState::is_protected);
    log("DMA protected: {} VT-d unit(s) {}, every device denied, interrupts remapped",
        dmar.units.size(),
        launch == nullptr ? "of the ACPI table" : "of SINIT's DMAR");
    return true;
}

bool attach_device(PciAddress device, domain::Domain& domain) {
    iommu::RemappingUnit* unit = unit_of(device);
    if (unit == nullptr || wants_reserved_memory(device)) {
        log("device {x}: {}",
            device.source_id(),
            iommu::text(unit == nullptr ? iommu::Error::no_unit_for_device
                                        : iommu::Error::reserved_memory));
        return false;
    }
    if (!dma_domain.constructed()) {
        // Tag 0 is the hardware's own where CAP.CM is set. [VT-d 6.2.2.1]
        const iommu::DomainTag tag{1};
        dma_domain.construct(
            domain.id(), tag, geometry, iommu::TableWriter{platform, iommu_frames, coherency});
        device_owner = domain.id();
        if (!dma_domain->initialise() || !map_memory(domain))
            return false;
    }
    if (const auto attached = dma_domain->attach(device, *unit); !attached) {
        log("device {x}: {}", device.source_id(), iommu::text(attached.error()));
        return false;
    }
    return domain.id() == device_owner;
}

Result<vpci::InterruptMessage, vpci::RouteError> remap_interrupt(PciAddress device,
                                                                 Vector host_vector) {
    const LockGuard guard{remapping_lock};
    const auto handle = remapper->allocate(device, host_vector, machine::local_apic_id());
    if (!handle)
        return Failure{vpci::RouteError::no_entry};
    const iommu::RemappedMessage message = iommu::InterruptRemapper::message(handle.value());
    return vpci::InterruptMessage{message.address, message.data};
}

void report_dma_faults() {
    for (usize i = 0; i < dmar.units.size(); ++i) {
        if (!units[i].unit.constructed())
            return;
        const iommu::FaultBatch batch = [&] {
            const LockGuard guard{remapping_lock};
            return units[i].unit->take_faults();
        }();
        for (const iommu::Fault& fault : batch.faults) {
            const PciAddress device = PciAddress::from_source_id(0, fault.source_id);
            const bool owned = dma_domain.constructed() && dma_domain->has(device);
            if (owned)
                log("iommu: fault: device {} of domain {}: {} {x}, reason {} ({})",
                    DeviceName{device}.view(),
                    device_owner.raw(),
                    iommu::text(fault.type),
                    fault.address,
                    fault.reason,
                    iommu::fault_reason(fault.reason));
            else
                log("iommu: fault: device {} of no domain: {} {x}, reason {} ({})",
                    DeviceName{device}.view(),
                    iommu::text(fault.type),
                    fault.address,
                    fault.reason,
                    iommu::fault_reason(fault.reason));
        }
        if (batch.lost)
            log("iommu: more faults than the unit could record");
    }
}

u64 iotlb_flushes() {
    u64 sum = 0;
    for (usize i = 0; i < dmar.units.size(); ++i)
        sum += units[i].unit.constructed() ? units[i].unit->invalidations() : 0;
    return sum;
}

} // namespace ravelin::hv

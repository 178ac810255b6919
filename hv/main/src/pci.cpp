// SPDX-License-Identifier: Apache-2.0
// Physical configuration space through ECAM, device registers through the direct map, host vectors
// for devices. One domain owns devices today; the second that asks finds none unassigned.
#include "pci.hpp"

#include "dma.hpp"
#include "firmware_tables.hpp"
#include "measured.hpp"
#include "memory.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/mm/direct_map.hpp>
#include <hv/vpci/bus.hpp>

#include <algorithm>

namespace ravelin::hv {
namespace {

using machine::log;

constexpr u64 bus_size = 1 << 20; // ECAM of one bus
constexpr u64 four_gib = u64{1} << 32;
constexpr u64 local_devices =
    0xfec00000; // I/O APICs, TXT, TPM, local APIC: nothing of a PCI device
constexpr u64 window_unit = 1 << 20;

template <typename T> T load(HostPhysical at) {
    // SAFETY: device registers that map_device() mapped uncached; one access of that size.
    return *mm::direct_map_pointer<const volatile T>(at);
}
template <typename T> void store(HostPhysical at, u64 value) {
    // SAFETY: as load().
    *mm::direct_map_pointer<volatile T>(at) = static_cast<T>(value);
}

class Registers final : public vpci::DeviceMemory {
  public:
    u64 read(HostPhysical at, u8 size) override {
        switch (size) {
        case 1:
            return load<u8>(at);
        case 2:
            return load<u16>(at);
        case 4:
            return load<u32>(at);
        default:
            return load<u64>(at);
        }
    }
    void write(HostPhysical at, u8 size, u64 value) override {
        switch (size) {
        case 1:
            return store<u8>(at, value);
        case 2:
            return store<u16>(at, value);
        case 4:
            return store<u32>(at, value);
        default:
            return store<u64>(at, value);
        }
    }
};

class Ecam final : public vpci::ConfigSpace {
  public:
    void set_base(HostPhysical base) { base_ = base; }
    u32 read(PciAddress device, u16 offset, u8 size) override {
        Registers registers;
        return static_cast<u32>(registers.read(at(device, offset), size));
    }
    void write(PciAddress device, u16 offset, u8 size, u32 value) override {
        Registers registers;
        registers.write(at(device, offset), size, value);
    }

  private:
    [[nodiscard]] HostPhysical at(PciAddress device, u16 offset) const {
        return base_ + (u64{device.source_id()} << 12) + offset;
    }
    HostPhysical base_{};
};

/// Host vectors of devices and what each raises, under a lock: domain 0's vCPUs program them, the
/// boot CPU's interrupts read them.
class Router final : public vpci::InterruptRouter {
  public:
    Result<vpci::InterruptMessage, vpci::RouteError>
    route(PciAddress device, vlapic::VirtualLocalApic& apic, Vector guest_vector) override;
    void retarget(const vpci::InterruptMessage& message,
                  vlapic::VirtualLocalApic& apic,
                  Vector guest_vector) override;

  private:
    struct Binding {
        vpci::InterruptMessage message{};
        vlapic::VirtualLocalApic* apic{};
        Vector guest_vector{};
    };
    static void on_interrupt(Vector vector, void* context);

    SpinLock lock_;
    static constexpr usize vectors =
        machine::last_device_vector.raw() - machine::first_device_vector.raw() + 1;
    std::array<Binding, vectors> bindings_{};
    usize used_{};
};

Result<vpci::InterruptMessage, vpci::RouteError>
Router::route(PciAddress device, vlapic::VirtualLocalApic& apic, Vector guest_vector) {
    const LockGuard guard{lock_};
    if (used_ == bindings_.size())
        return Failure{vpci::RouteError::no_vector};
    const Vector host{static_cast<u8>(machine::first_device_vector.raw() + used_)};
    const auto message = RAVELIN_TRY(remap_interrupt(device, host));
    Binding& binding = bindings_[used_++];
    binding = {message, &apic, guest_vector};
    machine::register_interrupt(host, on_interrupt, &binding);
    return message;
}

void Router::retarget(const vpci::InterruptMessage& message,
                      vlapic::VirtualLocalApic& apic,
                      Vector guest_vector) {
    const LockGuard guard{lock_};
    for (Binding& binding : std::span{bindings_}.first(used_)) {
        if (binding.message.address == message.address && binding.message.data == message.data) {
            binding.apic = &apic;
            binding.guest_vector = guest_vector;
        }
    }
}

// Written during start-up; the router has its lock.
constinit Registers registers;
constinit Ecam ecam;
constinit Router router;

void Router::on_interrupt(Vector, void* context) {
    const Binding& place = *static_cast<const Binding*>(context);
    Binding binding{};
    {
        const LockGuard guard{router.lock_};
        binding = place;
    }
    binding.apic->raise(binding.guest_vector);
}

constinit vpci::VirtualBus virtual_bus;

/// One window below 4 GiB and one above, around what the firmware gave the devices.
void add_windows(builder::PciRoot& root) {
    vpci::VirtualBus& bus = virtual_bus;
    for (const bool high : {false, true}) {
        u64 start = ~u64{0};
        u64 end = 0;
        for (const vpci::Function& function : bus.functions()) {
            for (const vpci::Bar& bar : function.bars()) {
                if ((bar.address.raw() >= four_gib) != high)
                    continue;
                start = std::min(start, bar.address.align_down(window_unit).raw());
                end = std::max(end, (bar.address + bar.size.raw()).align_up(window_unit).raw());
            }
        }
        if (end != 0)
            ensure(root.windows.push_back({start, end - start}), "two windows");
    }
}

/// A BAR where no device may decode would let a domain reach what is not its own.
bool decodes_where_devices_may(const vpci::Function& function) {
    FixedVector<vpci::Reserved,
                1 + wire::Mcfg::capacity() + decltype(tboot::Launch::kept)::capacity()>
        reserved{};
    ensure(reserved.push_back({HostPhysical{local_devices}, four_gib - local_devices}), "room");
    for (const wire::ConfigurationSpace& space : firmware_tables().mcfg)
        ensure(reserved.push_back({space.base, (space.last_bus + u64{1}) * bus_size}), "room");
    if (const tboot::Launch* launch = dynamic_launch())
        for (const tboot::MemoryRange& range : launch->kept)
            ensure(reserved.push_back({range.start, range.size.raw()}), "room");
    return function.keeps_clear_of(reserved) &&
           std::all_of(function.bars().begin(), function.bars().end(), [](const vpci::Bar& bar) {
               bool is_ram = false;
               for (HostPhysical at = bar.address; at - bar.address < bar.size.raw();
                    at = at + page_size)
                   is_ram =
                       is_ram || frames().info(HostFrame::of(at)).type != mm::FrameType::absent;
               return !is_ram;
           });
}

void consider(PciAddress at, const wire::ManifestDomain& manifest) {
    const bool listed =
        std::find(manifest.devices.begin(), manifest.devices.end(), at) != manifest.devices.end();
    if (manifest.device_class == wire::DeviceClass::listed && !listed)
        return;
    vpci::Function* candidate = virtual_bus.candidate();
    if (candidate == nullptr)
        return;
    const vpci::Unfit unfit = candidate->probe(at, ecam);
    if (unfit == vpci::Unfit::fits && decodes_where_devices_may(*candidate)) {
        log("device {x}: domain 0's", at.source_id());
        return virtual_bus.keep();
    }
    if (unfit != vpci::Unfit::absent)
        log("device {x}: not given away: {}",
            at.source_id(),
            unfit == vpci::Unfit::fits ? "its registers lie where no device may decode"
                                       : vpci::text(unfit));
    virtual_bus.discard();
}

/// Maps a BAR's pages, but for those the MSI-X table lies in, which are trapped.
bool map_bar(domain::Domain& domain, const vpci::Function& function, const vpci::Bar& bar) {
    const auto& table = function.msix_table();
    for (u64 done = 0; done < bar.size.raw(); done += page_size) {
        const HostPhysical page = bar.address + done;
        const bool trapped = table && page + page_size > table->start &&
                             page < table->start + table->entries * u64{16};
        const GuestPhysical shown{page.raw()};
        if (trapped) {
            if (!map_device(page, Bytes{page_size}) ||
                !domain.io_bus().add_mmio(shown, Bytes{page_size}, virtual_bus))
                return false;
            continue;
        }
        if (!domain.stage2().map(
                shown, page, Bytes{page_size}, Access::read_write, stage2::MemoryType::uncached))
            return false;
    }
    return true;
}

} // namespace

std::optional<builder::PciRoot> choose_devices(const wire::ManifestDomain& manifest) {
    const auto& spaces = firmware_tables().mcfg;
    if (manifest.device_class == wire::DeviceClass::none || spaces.empty() ||
        !virtual_bus.functions().empty())
        return std::nullopt;
    if (!map_device(spaces[0].base, Bytes{bus_size}))
        return std::nullopt;
    ecam.set_base(spaces[0].base);
    for (u8 device = 0; device < 32; ++device) {
        for (u8 function = 0; function < 8; ++function)
            consider(PciAddress{0, 0, device, function}, manifest);
    }
    if (virtual_bus.functions().empty())
        return std::nullopt;
    builder::PciRoot root{};
    root.ecam = GuestPhysical{spaces[0].base.raw()};
    add_windows(root);
    virtual_bus.set_ecam(root.ecam);
    return root;
}

Status<Refusal> hand_over_devices(domain::Domain& domain, vlapic::ApicBus& apics) {
    if (virtual_bus.functions().empty())
        return Unit{};
    const GuestPhysical ecam_at{firmware_tables().mcfg[0].base.raw()};
    if (!domain.io_bus().add_mmio(ecam_at, Bytes{bus_size}, virtual_bus) ||
        !domain.io_bus().add_ports(vpci::VirtualBus::address_port, 8, virtual_bus))
        return Failure{Refusal{"devices", "no room on the domain's bus"}};
    for (vpci::Function& function : virtual_bus.functions()) {
        for (const vpci::Bar& bar : function.bars()) {
            if (!map_bar(domain, function, bar))
                return Failure{Refusal{"devices", "a device's registers could not be mapped"}};
        }
        if (!attach_device(function.at(), domain))
            return Failure{
                Refusal{"devices", "a device could not be attached to its domain's memory"}};
        function.hand_over(ecam, registers, router, apics);
    }
    return Unit{};
}

} // namespace ravelin::hv

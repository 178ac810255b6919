// SPDX-License-Identifier: Apache-2.0
// What virtual PCI needs of the machine: the physical configuration space, device registers,
// interrupt remapping, DMA attachment. The hypervisor implements these; the tests script them.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>
#include <hv/vlapic/vlapic.hpp>

namespace ravelin::hv::vpci {

/// Physical configuration space. Size is 1, 2 or 4 bytes, the offset a multiple of it.
class ConfigSpace {
  public:
    [[nodiscard]] virtual u32 read(PciAddress device, u16 offset, u8 size) = 0;
    virtual void write(PciAddress device, u16 offset, u8 size, u32 value) = 0;

  protected:
    ~ConfigSpace() = default;
};

/// Registers of a device, uncached.
class DeviceMemory {
  public:
    [[nodiscard]] virtual u64 read(HostPhysical at, u8 size) = 0;
    virtual void write(HostPhysical at, u8 size, u64 value) = 0;

  protected:
    ~DeviceMemory() = default;
};

/// A message in remappable format, as it is programmed into a device's MSI or MSI-X registers.
struct InterruptMessage {
    u64 address;
    u32 data;
};

enum class RouteError : u8 { no_vector, no_entry, refused };

/// A physical interrupt of a device on its way to one vector of one virtual APIC.
class InterruptRouter {
  public:
    /// Allocates a host vector and a remapping entry that only `device` may use, delivering
    /// `guest_vector` to `apic`.
    [[nodiscard]] virtual Result<InterruptMessage, RouteError>
    route(PciAddress device, vlapic::VirtualLocalApic& apic, Vector guest_vector) = 0;
    /// Changes where an interrupt that was routed goes.
    virtual void retarget(const InterruptMessage& message,
                          vlapic::VirtualLocalApic& apic,
                          Vector guest_vector) = 0;

  protected:
    ~InterruptRouter() = default;
};

} // namespace ravelin::hv::vpci

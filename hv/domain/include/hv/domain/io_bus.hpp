// SPDX-License-Identifier: Apache-2.0
// The I/O ports and trapped guest-physical ranges of one domain. What emulates or filters a device
// registers itself while the domain is built; an access nobody registered reads all ones and writes
// nothing.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/lock.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <array>
#include <optional>

namespace ravelin::hv::domain {

class Vcpu;

/// Emulates a range of I/O ports. Size is 1, 2 or 4 bytes. Context: the vCPU's exit, interrupts
/// disabled.
class PortDevice {
  public:
    [[nodiscard]] virtual u32 read_port(Vcpu& vcpu, u16 port, u8 size) = 0;
    virtual void write_port(Vcpu& vcpu, u16 port, u8 size, u32 value) = 0;

  protected:
    ~PortDevice() = default;
};

/// Emulates a range of guest-physical addresses that stage 2 leaves unmapped (or read-only). Size
/// is 1, 2, 4 or 8 bytes; an access never crosses the end of the range. Context: as above.
class MmioDevice {
  public:
    [[nodiscard]] virtual u64 read_mmio(Vcpu& vcpu, GuestPhysical address, u8 size) = 0;
    virtual void write_mmio(Vcpu& vcpu, GuestPhysical address, u8 size, u64 value) = 0;

  protected:
    ~MmioDevice() = default;
};

enum class BusError : u8 { full, overlaps, empty };

/// Written while the domain is built, by one CPU; read only afterwards, except that devices move
/// their own MMIO range in an exit of the domain, under the lock.
class IoBus {
  public:
    [[nodiscard]] Status<BusError> add_ports(u16 first, u16 count, PortDevice& device);
    [[nodiscard]] Status<BusError> add_mmio(GuestPhysical start, Bytes size, MmioDevice& device);
    /// Takes the range that starts there away; false when there is none.
    bool remove_mmio(GuestPhysical start);

    [[nodiscard]] u32 read_port(Vcpu& vcpu, u16 port, u8 size) const;
    void write_port(Vcpu& vcpu, u16 port, u8 size, u32 value) const;

    struct MmioRange {
        GuestPhysical start;
        Bytes size;
        MmioDevice* device;
    };
    /// The range that holds all `size` bytes at `address`.
    [[nodiscard]] std::optional<MmioRange> find_mmio(GuestPhysical address, u8 size) const;

  private:
    struct PortRange {
        u16 first;
        u16 count;
        PortDevice* device;
    };
    [[nodiscard]] PortDevice* find_port(u16 port, u8 size) const;

    FixedVector<PortRange, 32> ports_;
    /// One bit for 16 ports of which somebody registered one: most exits end here.
    std::array<u64, 64> claimed_{};
    mutable SpinLock mmio_lock_; ///< of mmio_; no device is called under it
    FixedVector<MmioRange, 128> mmio_;
};

} // namespace ravelin::hv::domain

// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/io_bus.hpp>

namespace ravelin::hv::domain {

namespace {

constexpr bool overlap(u64 a, u64 a_size, u64 b, u64 b_size) {
    return a < b + b_size && b < a + a_size;
}

} // namespace

Status<BusError> IoBus::add_ports(u16 first, u16 count, PortDevice& device) {
    if (count == 0 || u32{first} + count > 0x1'0000)
        return Failure{BusError::empty};
    for (const PortRange& other : ports_)
        if (overlap(first, count, other.first, other.count))
            return Failure{BusError::overlaps};
    if (!ports_.push_back(PortRange{first, count, &device}))
        return Failure{BusError::full};
    for (u32 group = first / 16u; group <= (first + count - 1u) / 16u; ++group)
        claimed_[group / 64] |= u64{1} << group % 64;
    return Unit{};
}

Status<BusError> IoBus::add_mmio(GuestPhysical start, Bytes size, MmioDevice& device) {
    if (size.raw() == 0 || start.raw() + size.raw() < start.raw())
        return Failure{BusError::empty};
    const LockGuard guard{mmio_lock_};
    for (const MmioRange& other : mmio_)
        if (overlap(start.raw(), size.raw(), other.start.raw(), other.size.raw()))
            return Failure{BusError::overlaps};
    if (!mmio_.push_back(MmioRange{start, size, &device}))
        return Failure{BusError::full};
    return Unit{};
}

bool IoBus::remove_mmio(GuestPhysical start) {
    const LockGuard guard{mmio_lock_};
    for (usize i = 0; i < mmio_.size(); ++i)
        if (mmio_[i].start == start) {
            mmio_.swap_remove(i);
            return true;
        }
    return false;
}

PortDevice* IoBus::find_port(u16 port, u8 size) const {
    const unsigned group = port / 16u;
    if ((claimed_[group / 64] >> group % 64 & 1) == 0)
        return nullptr;
    for (const PortRange& range : ports_)
        if (port >= range.first && u32{port} + size <= u32{range.first} + range.count)
            return range.device;
    return nullptr;
}

u32 IoBus::read_port(Vcpu& vcpu, u16 port, u8 size) const {
    PortDevice* const device = find_port(port, size);
    return device != nullptr ? device->read_port(vcpu, port, size) : ~u32{0};
}

void IoBus::write_port(Vcpu& vcpu, u16 port, u8 size, u32 value) const {
    if (PortDevice* const device = find_port(port, size))
        device->write_port(vcpu, port, size, value);
}

std::optional<IoBus::MmioRange> IoBus::find_mmio(GuestPhysical address, u8 size) const {
    const LockGuard guard{mmio_lock_};
    for (const MmioRange& range : mmio_)
        if (address >= range.start && address - range.start < range.size.raw() &&
            range.size.raw() - (address - range.start) >= size)
            return range;
    return std::nullopt;
}

} // namespace ravelin::hv::domain

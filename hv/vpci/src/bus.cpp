// SPDX-License-Identifier: Apache-2.0
// From an access to the function it means.
#include "hv/vpci/bus.hpp"

#include "registers.hpp"

#include <base/bits.hpp>

#include <algorithm>

namespace ravelin::hv::vpci {
namespace {

constexpr u64 ecam_size = 1 << 20; // bus 0
struct EcamOffset {
    using Register = BitField<u64, 11, 0, u16>;
    using SourceId = BitField<u64, 27, 12, u16>;
};
struct AddressPort {
    using Register = BitField<u32, 7, 2, u16>;
    using SourceId = BitField<u32, 23, 8, u16>;
    using Enable = BitFlag<u32, 31>;
};
constexpr u32 all_ones(u8 size) {
    return size >= 4 ? ~u32{0} : (1u << (8 * size)) - 1;
}

/// What stands at function 0 of a slot whose function 0 is not the domain's, where another one is:
/// a guest looks no further than an absent function 0. It has nothing and no driver knows it.
/// [PCI 3.0 3.2.2.3.4]
u32 read_placeholder(u16 offset, u8 size) {
    constexpr u32 identity = 0xfffe5853;    // the Xen ABI's vendor; a device nobody makes
    constexpr u32 class_other = 0xff000000; // fits no class
    constexpr u32 multifunction = 1u << 23; // of the header type's byte
    const u16 aligned = static_cast<u16>(offset & ~3);
    const u32 value = aligned == reg::vendor               ? identity
                      : aligned == (reg::class_code & ~3)  ? class_other
                      : aligned == (reg::header_type & ~3) ? multifunction
                                                           : 0;
    return (value >> (8 * (offset & 3))) & all_ones(size);
}

} // namespace

u32 VirtualBus::read_config(u16 source_id, u16 offset, u8 size) {
    if (size > 4 || offset % size != 0)
        return ~u32{0};
    if (Function* function = find(source_id))
        return function->read_config(offset, size);
    const auto owned = functions();
    const bool hides_others =
        source_id % 8 == 0 && std::any_of(owned.begin(), owned.end(), [source_id](const auto& f) {
            return f.at().source_id() / 8 == source_id / 8;
        });
    return hides_others ? read_placeholder(offset, size) : all_ones(size);
}

void VirtualBus::write_config(u16 source_id, u16 offset, u8 size, u32 value) {
    Function* function = find(source_id);
    if (function != nullptr && size <= 4 && offset % size == 0)
        function->write_config(offset, size, value);
}

Function* VirtualBus::find(u16 source_id) {
    const auto owned = functions();
    const auto found = std::find_if(owned.begin(), owned.end(), [source_id](const Function& f) {
        return f.at().source_id() == source_id;
    });
    return found == owned.end() ? nullptr : &*found;
}

Function* VirtualBus::table_owner(HostPhysical at) {
    for (Function& function : functions()) {
        const auto& table = function.msix_table();
        if (!table)
            continue;
        const HostPhysical first = table->start.align_down(page_size);
        const HostPhysical end =
            (table->start + table->entries * reg::msix_entry_size).align_up(page_size);
        if (at >= first && at < end)
            return &function;
    }
    return nullptr;
}

u32 VirtualBus::read_port(domain::Vcpu&, u16 port, u8 size) {
    const LockGuard guard{lock_};
    if (port < data_port)
        return port == address_port && size == 4 ? selected_ : all_ones(size);
    if (!AddressPort::Enable::get(selected_))
        return all_ones(size);
    return read_config(AddressPort::SourceId::get(selected_), selected_register(port), size);
}

void VirtualBus::write_port(domain::Vcpu&, u16 port, u8 size, u32 value) {
    const LockGuard guard{lock_};
    if (port == address_port && size == 4)
        selected_ = value;
    else if (port >= data_port && AddressPort::Enable::get(selected_))
        write_config(AddressPort::SourceId::get(selected_), selected_register(port), size, value);
}

u16 VirtualBus::selected_register(u16 port) const {
    return static_cast<u16>(AddressPort::Register::get(selected_) * 4 + (port - data_port));
}

u64 VirtualBus::read_mmio(domain::Vcpu&, GuestPhysical address, u8 size) {
    const LockGuard guard{lock_};
    if (address.raw() % size != 0)
        return ~u64{0}; // devices need not bear it, and it could leave the table's page
    if (address >= ecam_ && address - ecam_ < ecam_size) {
        const u64 offset = address - ecam_;
        return read_config(
            EcamOffset::SourceId::get(offset), EcamOffset::Register::get(offset), size);
    }
    const HostPhysical at{address.raw()}; // device memory is shown 1:1
    Function* function = table_owner(at);
    return function == nullptr ? ~u64{0} : function->read_table(at, size);
}

void VirtualBus::write_mmio(domain::Vcpu&, GuestPhysical address, u8 size, u64 value) {
    const LockGuard guard{lock_};
    if (address.raw() % size != 0)
        return;
    if (address >= ecam_ && address - ecam_ < ecam_size) {
        const u64 offset = address - ecam_;
        return write_config(EcamOffset::SourceId::get(offset),
                            EcamOffset::Register::get(offset),
                            size,
                            static_cast<u32>(value));
    }
    const HostPhysical at{address.raw()};
    if (Function* function = table_owner(at))
        function->write_table(at, size, value);
}

} // namespace ravelin::hv::vpci

// SPDX-License-Identifier: Apache-2.0
// From an access to the function it means.
#include "hv/vpci/bus.hpp"

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

} // namespace

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
        const HostPhysical end = (table->start + table->entries * 16u).align_up(page_size);
        if (at >= first && at < end)
            return &function;
    }
    return nullptr;
}

u32 VirtualBus::read_port(domain::Vcpu&, u16 port, u8 size) {
    if (port < data_port)
        return port == address_port && size == 4 ? selected_ : all_ones(size);
    const u16 offset =
        static_cast<u16>(AddressPort::Register::get(selected_) * 4 + (port - data_port));
    Function* function =
        AddressPort::Enable::get(selected_) ? find(AddressPort::SourceId::get(selected_)) : nullptr;
    if (function == nullptr || offset % size != 0)
        return all_ones(size);
    return function->read_config(offset, size);
}

void VirtualBus::write_port(domain::Vcpu&, u16 port, u8 size, u32 value) {
    if (port < data_port) {
        if (port == address_port && size == 4)
            selected_ = value;
        return;
    }
    const u16 offset =
        static_cast<u16>(AddressPort::Register::get(selected_) * 4 + (port - data_port));
    Function* function =
        AddressPort::Enable::get(selected_) ? find(AddressPort::SourceId::get(selected_)) : nullptr;
    if (function != nullptr && offset % size == 0)
        function->write_config(offset, size, value);
}

u64 VirtualBus::read_mmio(domain::Vcpu&, GuestPhysical address, u8 size) {
    if (address >= ecam_ && address - ecam_ < ecam_size) {
        const u64 offset = address - ecam_;
        Function* function = find(EcamOffset::SourceId::get(offset));
        const u16 reg = EcamOffset::Register::get(offset);
        if (function == nullptr || size > 4 || reg % size != 0)
            return ~u64{0};
        return function->read_config(reg, size);
    }
    const HostPhysical at{address.raw()}; // device memory is shown 1:1
    Function* function = table_owner(at);
    return function == nullptr ? ~u64{0} : function->read_table(at, size);
}

void VirtualBus::write_mmio(domain::Vcpu&, GuestPhysical address, u8 size, u64 value) {
    if (address >= ecam_ && address - ecam_ < ecam_size) {
        const u64 offset = address - ecam_;
        Function* function = find(EcamOffset::SourceId::get(offset));
        const u16 reg = EcamOffset::Register::get(offset);
        if (function != nullptr && size <= 4 && reg % size == 0)
            function->write_config(reg, size, static_cast<u32>(value));
        return;
    }
    const HostPhysical at{address.raw()};
    if (Function* function = table_owner(at))
        function->write_table(at, size, value);
}

} // namespace ravelin::hv::vpci

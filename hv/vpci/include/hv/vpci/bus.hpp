// SPDX-License-Identifier: Apache-2.0
// The PCI bus of one domain: the functions it owns, at their physical addresses, through ECAM and
// the old configuration ports. What it does not own is not there, but for a placeholder at function
// 0 of a slot where it owns another function. [PCI Express 5.0 7.2.2]
// [PCI 3.0 3.2.2.3.2]
#pragma once

#include <base/lock.hpp>
#include <hv/domain/io_bus.hpp>
#include <hv/vpci/function.hpp>

#include <memory>

namespace ravelin::hv::vpci {

/// One domain's. Filled before the domain runs; then its vCPUs' accesses take turns by its lock.
class VirtualBus final : public domain::PortDevice, public domain::MmioDevice {
  public:
    static constexpr usize max_functions = 16;
    static constexpr u16 address_port = 0xcf8;
    static constexpr u16 data_port = 0xcfc;

    constexpr VirtualBus() = default;
    VirtualBus(const VirtualBus&) = delete;
    VirtualBus& operator=(const VirtualBus&) = delete;

    /// Where the domain finds bus 0 in ECAM form.
    void set_ecam(GuestPhysical start) { ecam_ = start; }
    /// A place for a function to be probed in; nullptr when full. keep() makes it the domain's.
    [[nodiscard]] Function* candidate() {
        return count_ == max_functions ? nullptr : &functions_[count_];
    }
    void keep() { ++count_; }
    void discard() { std::construct_at(&functions_[count_]); } // in place: it is large
    [[nodiscard]] std::span<Function> functions() { return std::span{functions_}.first(count_); }

    [[nodiscard]] u32 read_port(domain::Vcpu& vcpu, u16 port, u8 size) override;
    void write_port(domain::Vcpu& vcpu, u16 port, u8 size, u32 value) override;
    [[nodiscard]] u64 read_mmio(domain::Vcpu& vcpu, GuestPhysical address, u8 size) override;
    void write_mmio(domain::Vcpu& vcpu, GuestPhysical address, u8 size, u64 value) override;

  private:
    [[nodiscard]] Function* find(u16 source_id);
    [[nodiscard]] u32 read_config(u16 source_id, u16 offset, u8 size);
    void write_config(u16 source_id, u16 offset, u8 size, u32 value);
    [[nodiscard]] u16 selected_register(u16 port) const;
    [[nodiscard]] Function* table_owner(HostPhysical at);

    SpinLock lock_;
    GuestPhysical ecam_{};
    u32 selected_{}; ///< what was last written to the address port
    std::array<Function, max_functions> functions_{};
    usize count_{};
};

} // namespace ravelin::hv::vpci

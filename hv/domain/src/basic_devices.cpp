// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/basic_devices.hpp>
#include <hv/domain/vcpu.hpp>

namespace ravelin::hv::domain {

namespace {

constexpr u16 port_counters = 0x40;
constexpr u16 port_gate = 0x61;
constexpr u32 gate_output_high = 0x20;

} // namespace

u64 LocalApicPage::read_mmio(Vcpu& vcpu, GuestPhysical at, u8 size) {
    // Registers are 32 bits at 16-byte steps; other accesses are undefined. [AMD APM vol2 16.3.2]
    const u64 offset = at - address;
    if (size != 4 || offset % 16 != 0)
        return ~u64{0};
    return vcpu.lapic().read(static_cast<u32>(offset), physical_.now());
}

void LocalApicPage::write_mmio(Vcpu& vcpu, GuestPhysical at, u8 size, u64 value) {
    const u64 offset = at - address;
    if (size == 4 && offset % 16 == 0)
        vcpu.lapic().write(static_cast<u32>(offset), static_cast<u32>(value), physical_.now());
}

u32 AbsentTimer::read_port(Vcpu&, u16 port, u8) {
    return port == port_gate ? gate_output_high : 0;
}

void PowerPorts::write_port(Vcpu& vcpu, u16 port, u8, u32 value) {
    using SleepEnable = BitFlag<u32, 5>;
    using SleepType = BitField<u32, 4, 2>;
    if (port == sleep_control && SleepEnable::get(value) && SleepType::get(value) == soft_off)
        vcpu.domain().stop(StopReason::power_off);
    if (port == reset && value == reset_value)
        vcpu.domain().stop(StopReason::reboot);
}

Status<BusError>
add_basic_devices(IoBus& bus, LocalApicPage& apic, AbsentTimer& timer, PowerPorts& power) {
    (void)RAVELIN_TRY(bus.add_mmio(LocalApicPage::address, Bytes{page_size}, apic));
    (void)RAVELIN_TRY(bus.add_ports(port_counters, 4, timer));
    (void)RAVELIN_TRY(bus.add_ports(port_gate, 1, timer));
    return bus.add_ports(PowerPorts::sleep_control, 3, power);
}

} // namespace ravelin::hv::domain

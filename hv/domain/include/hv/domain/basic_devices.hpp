// SPDX-License-Identifier: Apache-2.0
// The devices every domain has without any hardware behind them: the local APIC's page, and the PC
// ports whose absence Linux notices only by a long time-out.
#pragma once

#include <hv/domain/io_bus.hpp>
#include <hv/domain/physical_cpu.hpp>

namespace ravelin::hv::domain {

/// 0xFEE00000: forwards to the local APIC of the vCPU that asks.
class LocalApicPage final : public MmioDevice {
  public:
    static constexpr GuestPhysical address{0xfee0'0000};
    constexpr explicit LocalApicPage(const PhysicalCpu& physical) : physical_{physical} {}
    [[nodiscard]] u64 read_mmio(Vcpu& vcpu, GuestPhysical at, u8 size) override;
    void write_mmio(Vcpu& vcpu, GuestPhysical at, u8 size, u64 value) override;

  private:
    const PhysicalCpu& physical_;
};

/// The interval timer (40h-43h) and its gate (61h), answering so that a calibration loop gives up
/// at once instead of after 100,000 reads: counters stand still, output is high.
class AbsentTimer final : public PortDevice {
  public:
    [[nodiscard]] u32 read_port(Vcpu& vcpu, u16 port, u8 size) override;
    void write_port(Vcpu&, u16, u8, u32) override {}
};

/// Where reduced-hardware ACPI says that the domain powers off and resets. [ACPI 6.4 4.8.3.7,
/// 4.8.3.6]
class PowerPorts final : public PortDevice {
  public:
    static constexpr u16 sleep_control = 0x404;
    static constexpr u16 sleep_status = 0x405;
    static constexpr u16 reset = 0x406;
    static constexpr u8 reset_value = 1;
    static constexpr u8 soft_off = 5; ///< the sleep type of S5
    [[nodiscard]] u32 read_port(Vcpu&, u16, u8) override { return 0; }
    void write_port(Vcpu& vcpu, u16 port, u8 size, u32 value) override;
};

/// Puts all of them on the bus.
[[nodiscard]] Status<BusError>
add_basic_devices(IoBus& bus, LocalApicPage& apic, AbsentTimer& timer, PowerPorts& power);

} // namespace ravelin::hv::domain

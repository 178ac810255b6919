// SPDX-License-Identifier: Apache-2.0
// What this room asks of the machine: the TPM's registers, a clock, a console, random numbers. The
// hypervisor implements them over MMIO and the TSC, the tests over fakes and a software TPM.
#pragma once

#include <base/types.hpp>

#include <span>
#include <string_view>

namespace ravelin::hv::tpm {

/// The TPM's register file; offsets count from the first locality's page.
class RegisterSpace {
  public:
    [[nodiscard]] virtual u8 read8(u32 offset) = 0;
    [[nodiscard]] virtual u32 read32(u32 offset) = 0;
    virtual void write8(u32 offset, u8 value) = 0;
    virtual void write32(u32 offset, u32 value) = 0;

  protected:
    ~RegisterSpace() = default;
};

/// Time that goes on while we spin. A TPM replies in real time: an emulator's clock that leaps when
/// all CPUs halt would expire every time-out, so nothing here ever halts.
class Clock {
  public:
    [[nodiscard]] virtual u64 microseconds() = 0;
    /// Called between two looks at a register: PAUSE, or a host's yield.
    virtual void relax() = 0;

  protected:
    ~Clock() = default;
};

/// A line for the people at the console; also kept in the log ring.
class Console {
  public:
    virtual void line(std::string_view text) = 0;
    /// What was said from byte `offset` on; the count copied, 0 at the end. What is no longer kept
    /// is skipped.
    [[nodiscard]] virtual usize history(u64 offset, std::span<u8> into) = 0;

  protected:
    ~Console() = default;
};

} // namespace ravelin::hv::tpm

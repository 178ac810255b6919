// SPDX-License-Identifier: Apache-2.0
// The local APIC's timer: one-shot and periodic, counting the host's TSC through the divider. [SDM
// vol3 11.5.4] Pure.
#pragma once

#include <hv/cpu/registers.hpp>

#include <optional>

namespace ravelin::hv::vlapic {

enum class TimerMode : u8 { one_shot, periodic };

class Timer {
  public:
    /// A period below this would only make the guest's own CPU exit for ever.
    static constexpr u64 least_period = 10'000;

    constexpr Timer() = default;

    [[nodiscard]] u32 initial_count() const { return initial_; }
    [[nodiscard]] u32 current_count(cpu::Tsc now) const;
    [[nodiscard]] u32 divide_configuration() const { return divide_; }

    /// Starts counting down from `count`; 0 stops.
    void start(u32 count, TimerMode mode, cpu::Tsc now);
    void set_divide_configuration(u32 value, TimerMode mode, cpu::Tsc now);

    [[nodiscard]] std::optional<cpu::Tsc> deadline() const { return deadline_; }
    /// True when the deadline has passed; a periodic timer is then armed for the next period in the
    /// future, and missed ones are one.
    [[nodiscard]] bool expire(TimerMode mode, cpu::Tsc now);

  private:
    static constexpr u32 divide_writable = 0xb;
    [[nodiscard]] unsigned divide_shift() const;
    [[nodiscard]] u64 period(TimerMode mode) const;

    u32 initial_{};
    u32 divide_{};
    std::optional<cpu::Tsc> deadline_{};
};

} // namespace ravelin::hv::vlapic

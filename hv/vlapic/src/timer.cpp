// SPDX-License-Identifier: Apache-2.0
#include <hv/vlapic/timer.hpp>

#include <algorithm>

namespace ravelin::hv::vlapic {

unsigned Timer::divide_shift() const {
    // Bits 3, 1 and 0 hold n for a division by 2^(n+1), and 7 means by 1. [SDM vol3 11.5.4]
    const unsigned n = (divide_ & 3) | (divide_ >> 1 & 4);
    return (n + 1) & 7;
}

u64 Timer::period(TimerMode mode) const {
    const u64 ticks = u64{initial_} << divide_shift();
    return mode == TimerMode::periodic ? std::max(ticks, least_period) : ticks;
}

void Timer::start(u32 count, TimerMode mode, cpu::Tsc now) {
    initial_ = count;
    deadline_.reset();
    if (count != 0)
        deadline_ = cpu::Tsc{now.raw() + period(mode)};
}

void Timer::set_divide_configuration(u32 value, TimerMode mode, cpu::Tsc now) {
    const u32 left = current_count(now);
    divide_ = value & divide_writable;
    if (deadline_) {
        const u64 ticks = u64{left} << divide_shift();
        deadline_ = cpu::Tsc{now.raw() +
                             (mode == TimerMode::periodic ? std::max(ticks, least_period) : ticks)};
    }
}

u32 Timer::current_count(cpu::Tsc now) const {
    if (!deadline_ || *deadline_ <= now)
        return 0;
    const u64 left = (deadline_->raw() - now.raw()) >> divide_shift();
    return static_cast<u32>(std::min<u64>(left, initial_));
}

bool Timer::expire(TimerMode mode, cpu::Tsc now) {
    if (!deadline_ || now < *deadline_)
        return false;
    if (mode == TimerMode::one_shot) {
        deadline_.reset();
        return true;
    }
    const u64 step = period(mode);
    const u64 late = now.raw() - deadline_->raw();
    deadline_ = cpu::Tsc{deadline_->raw() + (late / step + 1) * step};
    return true;
}

} // namespace ravelin::hv::vlapic

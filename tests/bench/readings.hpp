// SPDX-License-Identifier: Apache-2.0
// What the parts of the benchmark program share: the clock, and figures that are kept until all
// measuring is over, because the console's work would be in them.
#pragma once

#include <base/int.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace ravelin::bench_init {

/// The time-stamp counter: under icount with shift 0 one tick is one instruction of the machine.
inline u64 ticks() {
    u32 low = 0;
    u32 high = 0;
    // SAFETY: reads a counter; the fences keep it in program order.
    asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
    return u64{high} << 32 | low;
}

/// A system call's result; a failure is the end of the benchmark.
template <typename T> T checked(T result, const char* what) {
    if (result < 0)
        throw std::system_error{errno, std::generic_category(), what};
    return result;
}

class Readings {
  public:
    void add(const std::string& name, u64 value) { all_.push_back({name, value}); }
    struct Reading {
        std::string name;
        u64 value;
    };
    [[nodiscard]] const std::vector<Reading>& all() const { return all_; }

  private:
    std::vector<Reading> all_;
};

/// CPU, processes, pipes, files, loopback TCP, and how late a sleep ends.
void measure_work(Readings& readings);
/// A disk's and a network interface's round trips, behind the front ends of this system. `peer`
/// answers pings.
void measure_devices(Readings& readings, const char* peer);

} // namespace ravelin::bench_init

// SPDX-License-Identifier: Apache-2.0
// Where the time between our entry and the first instruction of a domain goes, in TSC ticks; under
// QEMU's icount a tick is an instruction. Measuring, copying and scrubbing grow with what is
// booted, waits for CPUs are the hardware's: each is counted on its own.
#pragma once

#include <base/types.hpp>

namespace ravelin::hv {

enum class Expense : u8 { measuring, copying, scrubbing };

/// Counts the ticks of its life as one expense; an expense within an expense is the inner one's.
/// Context: boot CPU during start-up; afterwards it counts for nothing.
class [[nodiscard]] ExpenseTimer {
  public:
    explicit ExpenseTimer(Expense expense);
    ~ExpenseTimer();
    ExpenseTimer(const ExpenseTimer&) = delete;
    ExpenseTimer& operator=(const ExpenseTimer&) = delete;

  private:
    Expense expense_;
    u64 start_;
    u64 inner_before_;
};

/// Starts the account. Context: the first thing at entry.
void open_account();

/// Prints it. Context: before the first instruction of domain 0.
void close_account();

} // namespace ravelin::hv

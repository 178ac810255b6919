// SPDX-License-Identifier: Apache-2.0
// Keeping the account.
#include "account.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/processors.hpp>

#include <array>

namespace ravelin::hv {
namespace {

/// Written by the boot CPU during start-up only.
struct Account {
    u64 entry{};
    std::array<u64, 3> ticks{};
    u64 counted{}; ///< their sum
};
Account account;

} // namespace

ExpenseTimer::ExpenseTimer(Expense expense)
    : expense_{expense}, start_{machine::read_tsc()}, inner_before_{account.counted} {}

ExpenseTimer::~ExpenseTimer() {
    const u64 inner = account.counted - inner_before_;
    const u64 own = machine::read_tsc() - start_ - inner;
    account.ticks[static_cast<u8>(expense_)] += own;
    account.counted += own;
}

void open_account() {
    account.entry = machine::read_tsc();
}

void close_account() {
    const auto ticks = [](Expense expense) { return account.ticks[static_cast<u8>(expense)]; };
    machine::log("boot: {} ticks until the first instruction of domain 0, of which measuring {}, "
                 "copying {}, scrubbing {}, INIT/SIPI waits {}",
                 machine::read_tsc() - account.entry,
                 ticks(Expense::measuring),
                 ticks(Expense::copying),
                 ticks(Expense::scrubbing),
                 machine::start_up_wait_ticks());
}

} // namespace ravelin::hv

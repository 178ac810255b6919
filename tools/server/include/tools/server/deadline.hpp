// SPDX-License-Identifier: Apache-2.0
// Time limits for waits on a child process that hold on a busy machine: the time in which the child
// was ready to run and had no CPU does not count.
#pragma once

#include <chrono>
#include <optional>
#include <sys/types.h>

namespace ravelin::tools {

/// How long the most starved thread of a process has waited for a CPU so far; zero when the process
/// is gone or the kernel keeps no such account. Source: /proc/PID/task/TID/schedstat, second field.
[[nodiscard]] std::chrono::nanoseconds starved_time(pid_t process);

/// Starts when it is made. Without a process it is the wall clock's.
class Deadline {
  public:
    Deadline(std::chrono::milliseconds limit, std::optional<pid_t> process);
    /// What is left of the limit if the process runs from now on; zero when it has passed.
    [[nodiscard]] std::chrono::milliseconds left() const;

  private:
    std::chrono::steady_clock::time_point start_;
    std::chrono::nanoseconds limit_;
    std::optional<pid_t> process_;
    std::chrono::nanoseconds starved_before_{};
};

} // namespace ravelin::tools

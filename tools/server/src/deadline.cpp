// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/deadline.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace ravelin::tools {

using std::chrono::nanoseconds;

nanoseconds starved_time(pid_t process) {
    const std::filesystem::path tasks =
        std::filesystem::path{"/proc"} / std::to_string(process) / "task";
    nanoseconds longest{};
    std::error_code gone;
    for (std::filesystem::directory_iterator task{tasks, gone}, end; !gone && task != end;
         task.increment(gone)) {
        std::ifstream account{task->path() / "schedstat"};
        nanoseconds::rep ran = 0;
        nanoseconds::rep waited = 0;
        if (account >> ran >> waited)
            longest = std::max(longest, nanoseconds{waited});
    }
    return longest;
}

Deadline::Deadline(std::chrono::milliseconds limit, std::optional<pid_t> process)
    : start_{std::chrono::steady_clock::now()}, limit_{limit}, process_{process},
      starved_before_{process ? starved_time(*process) : nanoseconds{}} {}

std::chrono::milliseconds Deadline::left() const {
    const nanoseconds elapsed = std::chrono::steady_clock::now() - start_;
    if (elapsed < limit_)
        return std::chrono::ceil<std::chrono::milliseconds>(limit_ - elapsed);
    // Only a limit that has passed by the clock is worth asking the kernel about.
    const nanoseconds starved =
        process_ ? std::max(nanoseconds{}, starved_time(*process_) - starved_before_)
                 : nanoseconds{};
    return std::max(std::chrono::milliseconds{},
                    std::chrono::ceil<std::chrono::milliseconds>(limit_ + starved - elapsed));
}

} // namespace ravelin::tools

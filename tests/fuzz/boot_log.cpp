// SPDX-License-Identifier: Apache-2.0
// Hostile event logs at the moment the firmware hands them over: a size inside the bytes, or none.
#include "event_size.hpp"

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    if (size == 0)
        return 0;
    const std::span<const u8> log{data + 1, size - 1};
    for (const usize last : {usize{0}, usize{data[0]}, log.size()}) {
        const auto found = hv::boot::log_size(log, last);
        if (found && *found > log.size())
            std::abort();
    }
    return 0;
}

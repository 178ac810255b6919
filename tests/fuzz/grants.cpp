// SPDX-License-Identifier: Apache-2.0
// Histories of grants and ballooning that the fuzzer chooses; the model decides.
#include <base/cursor.hpp>

#include <cstdlib>
#include <support/grant_history.hpp>

using namespace ravelin;
extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    LittleReader reader{{data, size}};
    test::GrantHistory history{[&reader](u64 below) {
        const u64 low = reader.byte().value_or(0);
        return (below > 256 ? low << 8 | reader.byte().value_or(0) : low) % below;
    }};
    while (reader.remaining() != 0)
        if (!history.step() || !history.holds())
            std::abort();
    if (!history.end())
        std::abort();
    return 0;
}

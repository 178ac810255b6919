// SPDX-License-Identifier: Apache-2.0
// Histories of hypercalls of three domains that the fuzzer chooses, through the real dispatch
// table.
#include <base/cursor.hpp>

#include <cstdio>
#include <cstdlib>
#include <support/hypercall_history.hpp>

using namespace ravelin;

namespace {
void require(const char* broken) {
    if (broken == nullptr)
        return;
    std::fprintf(stderr, "broken rule: %s\n", broken);
    std::abort();
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    LittleReader reader{{data, size}};
    test::HypercallHistory history{[&reader](u64 below) {
        const u64 low = reader.byte().value_or(0);
        return (below > 256 ? low << 8 | reader.byte().value_or(0) : low) % below;
    }};
    while (reader.remaining() != 0)
        require(history.step());
    require(history.finish());
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Hostile shared pages: the entry that would be jumped to lies in memory that tboot claims.
#include <wire/tboot_shared.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const auto shared = wire::tboot::decode_shared({data, size});
    if (!shared)
        return 0;
    const auto& page = shared.value();
    const u64 end = page.base.raw() + page.bytes.raw();
    if (end > u64{1} << 32 || page.shutdown_entry < page.base || page.shutdown_entry.raw() >= end)
        std::abort();
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Hostile event logs: replayed or refused, never more; and the reader always advances.
#include <cstdlib>
#include <evidence/replay.hpp>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> log{data, size};
    auto reader = wire::LogReader::open(log);
    if (reader.is_ok()) {
        usize before = reader.value().offset();
        for (;;) {
            const auto next = reader.value().next();
            if (!next.is_ok() || !next.value())
                break;
            if (reader.value().offset() <= before || reader.value().offset() > size)
                std::abort();
            before = reader.value().offset();
        }
    }
    (void)evidence::replay(log, evidence::initial_pcrs());
    return 0;
}

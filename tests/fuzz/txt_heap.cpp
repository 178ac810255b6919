// SPDX-License-Identifier: Apache-2.0
// Hostile TXT heaps: what decodes points into the heap, and nothing wraps around.
#include <wire/txt_heap.hpp>

#include <cstdlib>
#include <memory>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const auto heap = std::make_unique<wire::txt::Heap>();
    const auto decoded = wire::txt::decode_heap({data, size}, *heap);
    if (!decoded) {
        if (decoded.error().offset > size)
            std::abort();
        return 0;
    }
    for (const auto part : {heap->os_mle, heap->sinit_mle.dmar})
        if (!part.empty() && (part.data() < data || part.data() + part.size() > data + size))
            std::abort();
    for (const auto& memory : heap->sinit_mle.memory)
        if (memory.range.start.raw() + memory.range.size.raw() < memory.range.start.raw())
            std::abort();
    const auto& log = heap->os_sinit.event_log;
    if (log && (log->next > log->capacity || log->first > log->next))
        std::abort();
    return 0;
}

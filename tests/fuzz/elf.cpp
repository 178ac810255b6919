// SPDX-License-Identifier: Apache-2.0
// Hostile kernels: what decodes lies in the file, fits below 4 GiB, and holds its entry.
#include <wire/elf.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> file{data, size};
    const auto kernel = wire::decode_pvh_kernel(file);
    if (!kernel.is_ok())
        return 0;
    bool holds_entry = false;
    for (const wire::ElfSegment& segment : kernel.value().segments) {
        const u64 start = segment.address.raw();
        const u64 end = start + segment.size.raw();
        if (segment.bytes.size() > segment.size.raw() || end > u64{1} << 32 ||
            segment.bytes.data() < data ||
            segment.bytes.data() + segment.bytes.size() > data + size)
            std::abort();
        holds_entry = holds_entry || (kernel.value().entry >= start && kernel.value().entry < end);
    }
    if (!holds_entry)
        std::abort();
    return 0;
}

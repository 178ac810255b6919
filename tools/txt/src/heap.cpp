// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/heap.hpp"

namespace ravelin::tools::txt {
namespace {

constexpr u32 element_end = 0;
constexpr u32 element_bios_version = 1;
constexpr u32 element_event_log_tpm20 = 8;
constexpr u32 element_header = 8;

/// Grows as it is written; least significant byte first.
class Builder {
  public:
    template <std::unsigned_integral T> Builder& put(T value) {
        for (std::size_t i = 0; i < sizeof(T); ++i)
            bytes_.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
        return *this;
    }
    Builder& zeros(std::size_t count) {
        bytes_.resize(bytes_.size() + count);
        return *this;
    }
    Builder& bytes(std::span<const u8> data) {
        bytes_.insert(bytes_.end(), data.begin(), data.end());
        return *this;
    }
    /// Behind its size, which counts itself; a whole number of 8 bytes.
    [[nodiscard]] std::vector<u8> part() const {
        Builder whole;
        const std::size_t padding = (8 - bytes_.size() % 8) % 8;
        whole.put(u64{bytes_.size() + padding + 8}).bytes(bytes_).zeros(padding);
        return whole.bytes_;
    }

  private:
    std::vector<u8> bytes_;
};

HeapError from(CursorError) {
    return HeapError::bad_size;
}

template <typename T> Result<T, HeapError> in_part(Result<T, CursorError> result) {
    if (!result)
        return Failure{from(result.error())};
    return std::move(result).value();
}

/// A TCG event log's place: physical address, size, first and next offset. [TXT SDG C.4.1.4]
Result<OsSinitData::EventLog, HeapError> decode_event_log(std::span<const u8> body, u64 address) {
    LittleReader reader{body};
    OsSinitData::EventLog log;
    log.address = RAVELIN_TRY(in_part(reader.integer<u64>()));
    log.size = RAVELIN_TRY(in_part(reader.integer<u32>()));
    const u32 first = RAVELIN_TRY(in_part(reader.integer<u32>()));
    if (first != 0)
        return Failure{HeapError::bad_element};
    log.next_at = address + reader.offset();
    RAVELIN_TRY(in_part(reader.skip(4)));
    return log;
}

} // namespace

std::vector<u8> encode(const BiosData& data) {
    Builder part;
    constexpr u32 version = 6;
    part.put(version).put(data.sinit_size).put(u64{0}).put(u64{0}); // no LCP data of the platform
    part.put(data.processors).put(u64{0});
    part.put(element_bios_version).put(u32{element_header + 6});
    part.put(u16{2}).put(u16{0}).put(u16{0});
    part.put(element_end).put(element_header);
    return part.part();
}

Result<HeapParts, HeapError> find_heap_parts(PhysicalMemory& memory, u64 base, u64 size) {
    HeapParts parts;
    u64 offset = 0;
    for (std::size_t i = 0; i < parts.size.size(); ++i) {
        if (size - offset < 8)
            return Failure{HeapError::outside};
        const auto with_size = memory.read64(base + offset);
        if (!with_size)
            return Failure{HeapError::outside};
        if (*with_size < 8 || *with_size > size - offset)
            return Failure{HeapError::bad_size};
        parts.address[i] = base + offset + 8;
        parts.size[i] = *with_size - 8;
        offset += *with_size;
    }
    parts.sinit_mle_data = base + offset;
    return parts;
}

Result<OsSinitData, HeapError> decode_os_sinit_data(std::span<const u8> bytes, u64 address) {
    LittleReader reader{bytes};
    OsSinitData data;
    data.version = RAVELIN_TRY(in_part(reader.integer<u32>()));
    if (data.version != 6 && data.version != 7)
        return Failure{HeapError::bad_version};
    RAVELIN_TRY(in_part(reader.skip(4))); // flags
    for (u64* const field : {&data.page_table,
                             &data.mle_size,
                             &data.mle_header,
                             &data.low_protected_base,
                             &data.low_protected_size,
                             &data.high_protected_base,
                             &data.high_protected_size})
        *field = RAVELIN_TRY(in_part(reader.integer<u64>()));
    RAVELIN_TRY(in_part(reader.skip(16))); // the owner's LCP: none is evaluated
    data.capabilities = RAVELIN_TRY(in_part(reader.integer<u32>()));
    RAVELIN_TRY(in_part(reader.skip(8))); // RSDP of an EFI system
    while (true) {
        const u32 type = RAVELIN_TRY(in_part(reader.integer<u32>()));
        const u32 size = RAVELIN_TRY(in_part(reader.integer<u32>()));
        if (type == element_end)
            return data;
        if (size < element_header)
            return Failure{HeapError::bad_element};
        const u64 at = address + reader.offset();
        const auto body = RAVELIN_TRY(in_part(reader.bytes(size - element_header)));
        if (type == element_event_log_tpm20)
            data.event_log = RAVELIN_TRY(decode_event_log(body, at));
    }
}

std::vector<u8> encode(const SinitMleData& data) {
    constexpr u32 version = 9;
    constexpr u32 fixed = 148;
    constexpr u32 descriptor_size = 24;
    const auto count = static_cast<u32>(data.memory.size());
    // Offsets count from the size field.
    const u32 descriptors = 8 + fixed + element_header;
    const u32 dmar = descriptors + descriptor_size * count;
    Builder part;
    part.put(version).zeros(20); // no BIOS module
    part.put(data.edx).put(u64{0}).bytes(data.sinit_hash).bytes(data.mle_hash);
    part.zeros(20).zeros(20).put(u32{0}); // STM, LCP and its control
    part.put(static_cast<u32>(data.wakeup)).put(u32{0});
    part.put(count).put(descriptors).put(static_cast<u32>(data.dmar.size())).put(dmar);
    part.put(u32{0}); // processor's S-CRTM status
    part.put(element_end).put(element_header);
    for (const MemoryDescriptor& range : data.memory)
        part.put(range.base).put(range.size).put(static_cast<u8>(range.kind)).zeros(7);
    part.bytes(data.dmar);
    return part.part();
}

} // namespace ravelin::tools::txt

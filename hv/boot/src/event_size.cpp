// SPDX-License-Identifier: Apache-2.0
// Sizes of crypto-agile events. The header event has SHA-1's fixed shape; its body lists each
// algorithm and digest size.
#include "event_size.hpp"

#include <base/cursor.hpp>

namespace ravelin::hv::boot {
namespace {

constexpr usize header_event_fixed = 32; // PCR, type, SHA-1 digest, size
constexpr usize spec_id_fixed = 24;      // signature 16, class 4, version 3, uintn size 1
constexpr u32 most_digests = 16;

std::optional<usize> header_event_size(LittleReader reader) {
    if (!reader.skip(header_event_fixed - 4))
        return std::nullopt;
    const auto body = reader.integer<u32>();
    if (!body || !reader.skip(body.value()))
        return std::nullopt;
    return reader.offset();
}

std::optional<usize> digest_size(std::span<const u8> log, u16 wanted) {
    LittleReader reader{log};
    if (!reader.skip(header_event_fixed + spec_id_fixed))
        return std::nullopt;
    const auto count = reader.integer<u32>();
    if (!count || count.value() > most_digests)
        return std::nullopt;
    for (u32 i = 0; i < count.value(); ++i) {
        const auto algorithm = reader.integer<u16>();
        const auto size = reader.integer<u16>();
        if (!algorithm || !size)
            return std::nullopt;
        if (algorithm.value() == wanted)
            return size.value();
    }
    return std::nullopt;
}

} // namespace

std::optional<usize> event_size(std::span<const u8> log, std::span<const u8> events) {
    LittleReader reader{events};
    if (!reader.skip(8)) // PCR, type
        return std::nullopt;
    const auto count = reader.integer<u32>();
    if (!count || count.value() > most_digests)
        return std::nullopt;
    for (u32 i = 0; i < count.value(); ++i) {
        const auto algorithm = reader.integer<u16>();
        if (!algorithm)
            return std::nullopt;
        const auto size = digest_size(log, algorithm.value());
        if (!size || !reader.skip(*size))
            return std::nullopt;
    }
    const auto body = reader.integer<u32>();
    if (!body || !reader.skip(body.value()))
        return std::nullopt;
    return reader.offset();
}

std::optional<usize> log_size(std::span<const u8> log, usize last) {
    if (last == 0)
        return header_event_size(LittleReader{log});
    if (last > log.size())
        return std::nullopt;
    const auto size = event_size(log, log.subspan(last));
    if (!size)
        return std::nullopt;
    return last + *size;
}

} // namespace ravelin::hv::boot

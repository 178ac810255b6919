// SPDX-License-Identifier: Apache-2.0
// Finding the end of the firmware's log, whose size the firmware does not tell.
#include "event_size.hpp"

#include <gtest/gtest.h>
#include <string_view>
#include <vector>

namespace ravelin::hv::boot {
namespace {

using Bytes = std::vector<u8>;

template <typename T> void put(Bytes& out, T value) {
    for (usize i = 0; i < sizeof(T); ++i)
        out.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
}

/// A header event that lists SHA-1 and SHA-256, then one event of both.
Bytes sample(u32 data_size = 3) {
    Bytes body;
    for (const char c : std::string_view{"Spec ID Event03\0", 16})
        body.push_back(static_cast<u8>(c));
    put<u32>(body, 0);
    put<u32>(body, 0x02'00'02'00);
    put<u32>(body, 2);
    put<u16>(body, 4);
    put<u16>(body, 20);
    put<u16>(body, 0xb);
    put<u16>(body, 32);
    body.push_back(0); // vendor information
    Bytes out;
    put<u32>(out, 0);
    put<u32>(out, 3);
    out.resize(out.size() + 20);
    put<u32>(out, static_cast<u32>(body.size()));
    out.insert(out.end(), body.begin(), body.end());
    put<u32>(out, 9);
    put<u32>(out, 0xd);
    put<u32>(out, 2);
    put<u16>(out, 4);
    out.resize(out.size() + 20);
    put<u16>(out, 0xb);
    out.resize(out.size() + 32);
    put<u32>(out, data_size);
    out.resize(out.size() + 3);
    return out;
}
constexpr usize header_size = 32 + 24 + 4 + 8 + 1;

TEST(EventSize, OfAWholeLog) {
    const Bytes log = sample();
    EXPECT_EQ(log_size(log, header_size), log.size());
    EXPECT_EQ(log_size(log, 0), header_size);
    EXPECT_EQ(event_size(log, std::span{log}.subspan(header_size)), log.size() - header_size);
}

TEST(EventSize, EveryCutIsRefused) {
    const Bytes log = sample();
    for (usize size = 0; size < log.size(); ++size) {
        const auto cut = std::span{log}.first(size);
        EXPECT_EQ(log_size(cut, header_size), std::nullopt) << size;
    }
}

TEST(EventSize, WhatIsNotALogIsRefused) {
    EXPECT_EQ(log_size(sample(0xffffffff), header_size), std::nullopt);
    EXPECT_EQ(log_size(sample(), 1 << 20), std::nullopt);
    Bytes unknown_algorithm = sample();
    unknown_algorithm[header_size + 12] = 0x77;
    EXPECT_EQ(log_size(unknown_algorithm, header_size), std::nullopt);
}

} // namespace
} // namespace ravelin::hv::boot

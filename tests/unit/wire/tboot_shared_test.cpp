// SPDX-License-Identifier: Apache-2.0
#include <wire/tboot_shared.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace ravelin::wire::tboot {
namespace {

std::vector<u8> page_of_a_launch() {
    std::vector<u8> page{0xff,
                         0x8d,
                         0x3c,
                         0x66,
                         0xb3,
                         0xe8,
                         0x82,
                         0x4b,
                         0xbf,
                         0xaa,
                         0x19,
                         0xea,
                         0x4d,
                         0x05,
                         0x7a,
                         0x08};
    page.resize(Shared::size);
    const auto put = [&page](usize at, u32 value) {
        for (usize i = 0; i < 4; ++i)
            page[at + i] = static_cast<u8>(value >> (8 * i));
    };
    put(0x10, 6);
    put(0x14, 0x60000);
    put(0x18, 0x8041d0);
    put(0x68, 0x804000);
    put(0x6c, 0x2286d54);
    put(offset::waiting_processors, 3);
    put(0x238, 1);
    return page;
}

SharedError error_with(usize at, u8 value) {
    auto page = page_of_a_launch();
    page[at] = value;
    return decode_shared(page).error();
}

TEST(TbootShared, ALaunchDecodes) {
    const auto decoded = decode_shared(page_of_a_launch());
    ASSERT_TRUE(decoded.is_ok());
    const Shared& shared = decoded.value();
    EXPECT_EQ(shared.log, HostPhysical{0x60000});
    EXPECT_EQ(shared.shutdown_entry, HostPhysical{0x8041d0});
    EXPECT_EQ(shared.base, HostPhysical{0x804000});
    EXPECT_EQ(shared.bytes, Bytes{0x2286d54});
    EXPECT_EQ(shared.waiting_processors, 3u);
    EXPECT_TRUE(shared.wakes_by_mwait);
}

TEST(TbootShared, WhatIsNotTbootsPageIsRefused) {
    for (usize i = 0; i < 16; ++i)
        EXPECT_EQ(error_with(i, 0x42), SharedError::bad_uuid) << i;
    EXPECT_EQ(error_with(0x10, 5), SharedError::bad_version);
    EXPECT_EQ(error_with(0x10, 7), SharedError::bad_version);
    EXPECT_EQ(error_with(0x6b, 0xff), SharedError::bad_range); // past 4 GiB
    EXPECT_EQ(error_with(0x19, 0x3f), SharedError::bad_entry);
    EXPECT_EQ(error_with(0x1b, 0x80), SharedError::bad_entry);
    auto page = page_of_a_launch();
    page.pop_back();
    EXPECT_EQ(decode_shared(page).error(), SharedError::truncated);
}

} // namespace
} // namespace ravelin::wire::tboot

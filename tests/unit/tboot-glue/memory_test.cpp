// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <random>
#include <tboot/memory.hpp>
#include <vector>

namespace ravelin::tboot {
namespace {

using wire::txt::MemoryUse;

MemoryRange range(u64 start, u64 size) {
    return {HostPhysical{start}, Bytes{size}};
}

struct Piece {
    u64 start;
    u64 size;
    bool usable;
    friend bool operator==(const Piece&, const Piece&) = default;
};
std::vector<Piece> split(const UsableMemory& memory, const MemoryRange& of) {
    std::vector<Piece> pieces;
    memory.split(of, [&](const MemoryRange& piece, bool usable) {
        pieces.push_back({piece.start.raw(), piece.size.raw(), usable});
    });
    return pieces;
}

TEST(TbootMemory, WhatTxtKeepsIsCutOut) {
    const std::vector<MemoryDescriptor> good{{range(0, 0xa0000), MemoryUse::good},
                                             {range(0x100000, 0x3df00000), MemoryUse::good}};
    const std::vector<MemoryRange> kept{range(0x804000, 0x1000), range(0x60000, 0x8000)};
    const UsableMemory memory{good, kept};
    EXPECT_EQ(split(memory, range(0x100000, 0x40000000)),
              (std::vector<Piece>{{0x100000, 0x704000, true},
                                  {0x804000, 0x1000, false},
                                  {0x805000, 0x3d7fb000, true},
                                  {0x3e000000, 0x2100000, false}}));
    EXPECT_EQ(split(memory, range(0, 0xa0000)),
              (std::vector<Piece>{
                  {0, 0x60000, true}, {0x60000, 0x8000, false}, {0x68000, 0x38000, true}}));
    EXPECT_TRUE(memory.covers(range(0x200000, 0x100000)));
    EXPECT_FALSE(memory.covers(range(0x800000, 0x5000)));
    EXPECT_FALSE(memory.covers(range(0x3dfff000, 0x2000)));
}

TEST(TbootMemory, NeighboursAreOne) {
    const std::vector<MemoryDescriptor> good{{range(0x1000, 0x1000), MemoryUse::good},
                                             {range(0x2000, 0x1000), MemoryUse::good}};
    EXPECT_EQ(split({good, {}}, range(0x1000, 0x2000)),
              (std::vector<Piece>{{0x1000, 0x2000, true}}));
    EXPECT_TRUE(UsableMemory(good, {}).covers(range(0x1800, 0x1000)));
}

TEST(TbootMemory, WithoutDescriptorsNothingIsGood) {
    EXPECT_EQ(split({{}, {}}, range(0x1000, 0x1000)),
              (std::vector<Piece>{{0x1000, 0x1000, false}}));
}

TEST(TbootMemory, EveryByteIsAsItsDescriptorsSay) {
    std::mt19937_64 random{7};
    const auto any = [&random](u64 limit) { return random() % limit; };
    for (int round = 0; round < 500; ++round) {
        std::vector<MemoryDescriptor> descriptors;
        std::vector<MemoryRange> kept;
        for (u64 i = any(5); i > 0; --i)
            descriptors.push_back({range(any(60), 1 + any(40)),
                                   any(4) == 0 ? MemoryUse::smm_overlay : MemoryUse::good});
        for (u64 i = any(3); i > 0; --i)
            kept.push_back(range(any(60), 1 + any(10)));
        const UsableMemory memory{descriptors, kept};
        u64 at = 0;
        for (const Piece& piece : split(memory, range(0, 100))) {
            ASSERT_EQ(piece.start, at);
            for (; at < piece.start + piece.size; ++at) {
                bool good = false;
                bool bad = false;
                for (const auto& d : descriptors)
                    if (contains(d.range, range(at, 1)))
                        (d.use == MemoryUse::good ? good : bad) = true;
                for (const auto& k : kept)
                    bad = bad || contains(k, range(at, 1));
                ASSERT_EQ(piece.usable, good && !bad) << at;
            }
        }
        ASSERT_EQ(at, 100u);
    }
}

} // namespace
} // namespace ravelin::tboot

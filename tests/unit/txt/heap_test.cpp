// SPDX-License-Identifier: Apache-2.0
// The heap as the BIOS and SINIT write it, against the layout written down field by field, and
// OsSinitData as tboot 1.10.5 writes it.
#include "fake_memory.hpp"

#include <tools/txt/heap.hpp>

#include <gtest/gtest.h>

namespace ravelin::tools::txt {
namespace {

u64 number(std::span<const u8> bytes, std::size_t at, std::size_t size) {
    u64 value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = value << 8 | bytes[at + i];
    return value;
}

TEST(HeapTest, BiosData) {
    const auto bytes = encode(BiosData{.sinit_size = 0x4000, .processors = 4});
    EXPECT_EQ(number(bytes, 0, 8), bytes.size());
    EXPECT_EQ(bytes.size() % 8, 0U);
    EXPECT_EQ(number(bytes, 8, 4), 6U);       // version
    EXPECT_EQ(number(bytes, 12, 4), 0x4000U); // bios_sinit_size
    EXPECT_EQ(number(bytes, 32, 4), 4U);      // num_logical_procs
    EXPECT_EQ(number(bytes, 44, 4), 1U);      // BIOS specification version,
    EXPECT_EQ(number(bytes, 48, 4), 14U);     // of 14 bytes, then the end element
    EXPECT_EQ(number(bytes, 58, 4), 0U);
    EXPECT_EQ(number(bytes, 62, 4), 8U);
}

TEST(HeapTest, SinitMleData) {
    SinitMleData data{.edx = 1,
                      .sinit_hash = {0xaa},
                      .mle_hash = {0xbb},
                      .wakeup = 0x3ee0'0ff0,
                      .memory = {{0x10'0000, 0x20'0000, MemoryKind::good},
                                 {0xb000'0000, 0x1000'0000, MemoryKind::pcie_configuration}},
                      .dmar = {'D', 'M', 'A', 'R'}};
    const auto bytes = encode(data);
    EXPECT_EQ(number(bytes, 0, 8), bytes.size());
    EXPECT_EQ(number(bytes, 8, 4), 9U);
    EXPECT_EQ(number(bytes, 32, 4), 1U); // edx_senter_flags
    EXPECT_EQ(bytes[44], 0xaa);
    EXPECT_EQ(bytes[64], 0xbb);
    EXPECT_EQ(number(bytes, 128, 4), 0x3ee0'0ff0U); // rlp_wakeup_addr
    ASSERT_EQ(number(bytes, 136, 4), 2U);           // memory descriptors
    const u64 descriptors = number(bytes, 140, 4);
    EXPECT_EQ(number(bytes, descriptors, 8), 0x10'0000U);
    EXPECT_EQ(number(bytes, descriptors + 24, 8), 0xb000'0000U);
    EXPECT_EQ(bytes[descriptors + 24 + 16], 3);
    ASSERT_EQ(number(bytes, 144, 4), 4U); // DMAR
    EXPECT_EQ(bytes[number(bytes, 148, 4)], 'D');
}

TEST(HeapTest, PartsFollowOneAnother) {
    FakeMemory memory{0x1000, 0x1000};
    memory.put64(0x1000, 0x40);
    memory.put64(0x1040, 0x10);
    memory.put64(0x1050, 0x80);
    const auto parts = find_heap_parts(memory, 0x1000, 0x1000);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts.value().address[2], 0x1058U);
    EXPECT_EQ(parts.value().size[2], 0x78U);
    EXPECT_EQ(parts.value().sinit_mle_data, 0x10d0U);
}

TEST(HeapTest, HostileSizesAreRefused) {
    FakeMemory memory{0x1000, 0x1000};
    for (const u64 size : {0ULL, 7ULL, 0x1001ULL, ~0ULL}) {
        memory.put64(0x1000, size);
        EXPECT_FALSE(find_heap_parts(memory, 0x1000, 0x1000)) << size;
    }
    memory.put64(0x1000, 0x1000); // the first takes all
    EXPECT_FALSE(find_heap_parts(memory, 0x1000, 0x1000));
    EXPECT_FALSE(find_heap_parts(memory, 0xf000'0000, 0x1000));
}

class OsSinitDataTest : public testing::Test {
  protected:
    OsSinitDataTest() {
        memory.put32(0, 7);
        memory.put64(8, 0x80'1000);    // page table
        memory.put64(16, 0x4'9000);    // size
        memory.put64(24, 0x1'b340);    // header
        memory.put64(40, 0x3e00'0000); // low protected size
        memory.put32(80, 0x601);       // capabilities
        memory.put32(92, 8);           // event log element
        memory.put32(96, 28);
        memory.put64(100, 0x3f01'0168);
        memory.put32(108, 0x2000);
        memory.put32(120, 0); // end
        memory.put32(124, 8);
    }
    auto decode(u64 size = 128) { return decode_os_sinit_data(memory.at(0, size), 0x5000); }
    FakeMemory memory{0, 0x1000};
};

TEST_F(OsSinitDataTest, TbootsIsRead) {
    const auto data = decode();
    ASSERT_TRUE(data);
    EXPECT_EQ(data.value().page_table, 0x80'1000U);
    EXPECT_EQ(data.value().mle_size, 0x4'9000U);
    EXPECT_EQ(data.value().mle_header, 0x1'b340U);
    EXPECT_EQ(data.value().low_protected_size, 0x3e00'0000U);
    EXPECT_EQ(data.value().capabilities, 0x601U);
    ASSERT_TRUE(data.value().event_log);
    EXPECT_EQ(data.value().event_log->address, 0x3f01'0168U);
    EXPECT_EQ(data.value().event_log->next_at, 0x5000U + 116);
}

TEST_F(OsSinitDataTest, EveryTruncationIsRefused) {
    for (u64 size = 0; size < 128; ++size)
        EXPECT_FALSE(decode(size)) << size;
}

TEST_F(OsSinitDataTest, VersionsAndElements) {
    memory.put32(0, 5);
    EXPECT_FALSE(decode());
    memory.put32(0, 6);
    EXPECT_TRUE(decode());
    memory.put32(96, 7);
    EXPECT_FALSE(decode());
    memory.put32(96, 0x1000);
    EXPECT_FALSE(decode());
    memory.put32(96, 28);
    memory.put32(112, 4); // the first record is not at the start
    EXPECT_FALSE(decode());
}

} // namespace
} // namespace ravelin::tools::txt

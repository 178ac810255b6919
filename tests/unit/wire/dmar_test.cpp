// SPDX-License-Identifier: Apache-2.0
// The DMAR decoder: a table as QEMU's intel-iommu gives it, one as servers have it, and every way
// to be wrong.
#include <base/cursor.hpp>
#include <wire/dmar.hpp>

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace ravelin::wire {
namespace {

using Kind = DmarError::Kind;

class Table {
  public:
    Table() { bytes_ = std::vector<u8>(48); }
    Table& structure(u16 type, std::vector<u8> body) {
        add(type, 2);
        add(body.size() + 4, 2);
        bytes_.insert(bytes_.end(), body.begin(), body.end());
        return *this;
    }
    Table& add(u64 value, usize size) {
        for (usize i = 0; i < size; ++i)
            bytes_.push_back(static_cast<u8>(value >> 8 * i));
        return *this;
    }
    std::vector<u8> finish() {
        const std::string name = "DMAR";
        std::copy(name.begin(), name.end(), bytes_.begin());
        for (usize i = 0; i < 4; ++i)
            bytes_[4 + i] = static_cast<u8>(bytes_.size() >> 8 * i);
        bytes_[36] = 38; // 39 bits
        bytes_[37] = 1;
        return bytes_;
    }

  private:
    std::vector<u8> bytes_;
};

// DRHD body without scopes: INCLUDE_ALL, segment 0, registers at fed90000.
const std::vector<u8> include_all{1, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0};

std::vector<u8> with(std::vector<u8> body, const std::vector<u8>& more) {
    body.insert(body.end(), more.begin(), more.end());
    return body;
}

Dmar dmar; // too large for a stack

TEST(Dmar, DecodesQemusTable) {
    // One INCLUDE_ALL unit with an I/O APIC at ff:00.0, and an ATSR for all ports.
    const auto bytes = Table{}
                           .structure(0, with(include_all, {3, 8, 0, 0, 0, 0xff, 0, 0}))
                           .structure(2, {1, 0, 0, 0})
                           .finish();
    ASSERT_TRUE(decode_dmar(bytes, dmar));
    EXPECT_EQ(dmar.address_width, 39);
    EXPECT_TRUE(dmar.interrupt_remapping);
    ASSERT_EQ(dmar.units.size(), 1u);
    EXPECT_EQ(dmar.units[0].registers, HostPhysical{0xfed90000});
    EXPECT_EQ(dmar.units[0].register_size, Bytes{4096});
    EXPECT_EQ(dmar.units[0].coverage, Coverage::all_others);
    const auto scopes = dmar.of(dmar.units[0].scopes);
    ASSERT_EQ(scopes.size(), 1u);
    EXPECT_EQ(scopes[0].type, ScopeType::io_apic);
    EXPECT_EQ(scopes[0].start_bus, 0xff);
    ASSERT_EQ(dmar.root_ports.size(), 1u);
}

TEST(Dmar, DecodesPathsThroughBridgesAndReservedMemory) {
    auto listed = include_all;
    listed[0] = 0;
    const auto bytes = Table{}
                           .structure(0, with(listed, {2, 10, 0, 0, 0, 0, 0x1c, 4, 2, 0}))
                           .structure(1, {0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0x2f,
                                          0, 0, 0, 0, 0, 0,    1, 8, 0, 0, 0, 0, 0x14, 0})
                           .structure(4, {0, 0, 0, 1, 'I', '2', 'C', 0}) // ANDD
                           .finish();
    ASSERT_TRUE(decode_dmar(bytes, dmar));
    const auto scopes = dmar.of(dmar.units[0].scopes);
    ASSERT_EQ(scopes.size(), 1u);
    EXPECT_EQ(scopes[0].type, ScopeType::bridge);
    ASSERT_EQ(scopes[0].path.size(), 2u);
    EXPECT_EQ(scopes[0].path[0], (ScopeHop{0x1c, 4}));
    EXPECT_EQ(scopes[0].path[1], (ScopeHop{2, 0}));
    ASSERT_EQ(dmar.reserved.size(), 1u);
    EXPECT_EQ(dmar.reserved[0].start, HostPhysical{0x1000});
    EXPECT_EQ(dmar.reserved[0].size, Bytes{0x2000});
    EXPECT_EQ(dmar.of(dmar.reserved[0].scopes)[0].path[0], (ScopeHop{0x14, 0}));
    EXPECT_EQ(dmar.passed_over, 1u);
}

struct Wrong {
    const char* what;
    std::vector<u8> bytes;
    DmarError error;
};

std::vector<Wrong> wrong_tables() {
    const auto good = Table{}.structure(0, include_all).finish();
    auto unsigned_table = good;
    unsigned_table[0] = 'X';
    auto short_table = good;
    short_table.pop_back();
    auto crooked = include_all;
    crooked[4] = 1; // registers at fed90001
    auto endless = good;
    endless[50] = 2; // the structure's length is smaller than its header
    return {
        {"empty", {}, {Kind::truncated, 0}},
        {"signature", unsigned_table, {Kind::bad_signature, 0}},
        {"length", short_table, {Kind::bad_length, 0}},
        {"no units", Table{}.finish(), {Kind::no_units, 0}},
        {"zero length", endless, {Kind::bad_length, 48}},
        {"structure header", Table{}.add(0, 3).finish(), {Kind::truncated, 0}},
        {"body", Table{}.structure(0, {1, 0, 0, 0}).finish(), {Kind::truncated, 52}},
        {"registers", Table{}.structure(0, crooked).finish(), {Kind::bad_address, 52}},
        {"scope longer than unit",
         Table{}.structure(0, with(include_all, {1, 10, 0, 0, 0, 0, 3, 0})).finish(),
         {Kind::truncated, 52}},
        {"scope without path",
         Table{}.structure(0, with(include_all, {1, 6, 0, 0, 0, 0})).finish(),
         {Kind::bad_path, 64}},
        {"device 32",
         Table{}.structure(0, with(include_all, {1, 8, 0, 0, 0, 0, 32, 0})).finish(),
         {Kind::bad_path, 64}},
        {"odd scope",
         Table{}.structure(0, with(include_all, {1, 7, 0, 0, 0, 0, 3})).finish(),
         {Kind::bad_length, 64}},
        {"reserved memory that ends before it starts",
         Table{}
             .structure(1, {0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0xff, 0xf, 0, 0, 0, 0, 0, 0})
             .finish(),
         {Kind::bad_address, 52}},
    };
}

TEST(Dmar, NamesWhatIsWrongAndWhere) {
    for (const Wrong& wrong : wrong_tables()) {
        const auto decoded = decode_dmar(wrong.bytes, dmar);
        ASSERT_FALSE(decoded) << wrong.what;
        EXPECT_EQ(decoded.error().kind, wrong.error.kind) << wrong.what;
        EXPECT_EQ(decoded.error().offset, wrong.error.offset) << wrong.what;
    }
}

TEST(Dmar, RefusesMoreUnitsThanItHasRoomFor) {
    Table table;
    for (int i = 0; i < 9; ++i)
        table.structure(0, include_all);
    const auto decoded = decode_dmar(table.finish(), dmar);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().kind, Kind::too_many);
}

TEST(Dmar, EveryTruncationIsAnError) {
    const auto bytes =
        Table{}.structure(0, with(include_all, {3, 8, 0, 0, 0, 0xff, 0, 0})).finish();
    for (usize size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(decode_dmar(std::span{bytes}.first(size), dmar)) << size;
}

} // namespace
} // namespace ravelin::wire

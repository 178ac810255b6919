// SPDX-License-Identifier: Apache-2.0
// PVH kernels of both widths, each header field made wrong in turn, and every cut of the file.
#include <base/cursor.hpp>
#include <wire/elf.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace ravelin::wire {
namespace {

constexpr u64 address = 0x100'0000;

struct Example {
    u16 machine = 62;
    u16 entry_size = 56;
    u64 physical = address;
    u64 file_size = 32;
    u64 memory_size = 0x2000;
    u64 note_entry = address + 0x10;
    u32 note_type = 18;
    unsigned segments = 1;
};

/// A 64-bit file: header, program headers, the note, the segments' bytes.
std::vector<u8> file_of(const Example& example) {
    std::vector<u8> file(4096);
    LittleWriter writer{file};
    const u64 note = 64 + u64{56} * (example.segments + 1);
    const u64 bytes = note + 24;
    writer.bytes(std::array<u8, 8>{0x7f, 'E', 'L', 'F', 2, 1, 1, 0}).integer(u64{0});
    writer.integer(u16{2}).integer(example.machine).integer(u32{1}).integer(address);
    writer.integer(u64{64}).integer(u64{0}).integer(u32{0}).integer(u16{64});
    writer.integer(example.entry_size).integer(static_cast<u16>(example.segments + 1));
    writer.integer(u16{0}).integer(u16{0}).integer(u16{0});
    for (unsigned i = 0; i < example.segments; ++i) {
        writer.integer(u32{1}).integer(u32{5}).integer(bytes).integer(u64{0});
        writer.integer(example.physical + i * 0x10'0000).integer(example.file_size);
        writer.integer(example.memory_size).integer(u64{4096});
    }
    writer.integer(u32{4}).integer(u32{4}).integer(note).integer(u64{0}).integer(u64{0});
    writer.integer(u64{24}).integer(u64{24}).integer(u64{4});
    writer.integer(u32{4}).integer(u32{8}).integer(example.note_type);
    writer.bytes(std::array<u8, 4>{'X', 'e', 'n', 0}).integer(example.note_entry);
    writer.bytes(std::vector<u8>(32, 0xf4));
    file.resize(writer.finish().value().size());
    return file;
}

TEST(Elf, NamesSegmentsAndEntry) {
    const auto file = file_of({});
    const auto kernel = decode_pvh_kernel(file);
    ASSERT_TRUE(kernel.is_ok()) << text(kernel.error());
    EXPECT_EQ(kernel.value().entry, address + 0x10);
    ASSERT_EQ(kernel.value().segments.size(), 1u);
    EXPECT_EQ(kernel.value().segments[0].address, GuestPhysical{address});
    EXPECT_EQ(kernel.value().segments[0].size, Bytes{0x2000});
    EXPECT_EQ(kernel.value().segments[0].bytes.size(), 32u);
    EXPECT_EQ(kernel.value().segments[0].bytes[0], 0xf4);
}

TEST(Elf, EachWrongFieldIsNamed) {
    const auto error = [](auto&& change) {
        Example example;
        change(example);
        const auto kernel = decode_pvh_kernel(file_of(example));
        EXPECT_FALSE(kernel.is_ok());
        return kernel.error();
    };
    EXPECT_EQ(error([](Example& e) { e.machine = 183; }), ElfError::wrong_machine);
    EXPECT_EQ(error([](Example& e) { e.entry_size = 32; }), ElfError::bad_header);
    EXPECT_EQ(error([](Example& e) { e.file_size = 0x3000; }), ElfError::truncated);
    EXPECT_EQ(error([](Example& e) { e.memory_size = 31; }), ElfError::bad_segment);
    EXPECT_EQ(error([](Example& e) { e.physical = u64{1} << 32; }), ElfError::bad_segment);
    EXPECT_EQ(error([](Example& e) { e.physical = (u64{1} << 32) - 0x1000; }),
              ElfError::bad_segment);
    EXPECT_EQ(error([](Example& e) { e.physical = ~u64{0} - 16; }), ElfError::bad_segment);
    EXPECT_EQ(error([](Example& e) { e.note_type = 17; }), ElfError::no_entry);
    EXPECT_EQ(error([](Example& e) { e.note_entry = address + 0x2000; }), ElfError::entry_outside);
    EXPECT_EQ(error([](Example& e) { e.note_entry = address + (u64{1} << 32); }),
              ElfError::entry_outside);
    EXPECT_EQ(error([](Example& e) { e.segments = 17; }), ElfError::too_many_segments);
}

TEST(Elf, EveryCutIsAnError) {
    const auto file = file_of({});
    for (usize size = 0; size < file.size(); ++size)
        EXPECT_FALSE(decode_pvh_kernel(std::span{file}.first(size)).is_ok()) << size;
    EXPECT_EQ(decode_pvh_kernel({}).error(), ElfError::not_elf);
}

} // namespace
} // namespace ravelin::wire

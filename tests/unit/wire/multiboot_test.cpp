// SPDX-License-Identifier: Apache-2.0
// Multiboot information, well formed and not.
#include <wire/multiboot.hpp>

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace ravelin::wire {
namespace {

using Buffer = std::vector<u8>;

template <typename T> void put(Buffer& out, T value) {
    for (usize i = 0; i < sizeof(T); ++i)
        out.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
}
void put_text(Buffer& out, const std::string& text) {
    out.insert(out.end(), text.begin(), text.end());
    out.push_back(0);
}

class Tags {
  public:
    Tags& tag(u32 type, const Buffer& body) {
        put<u32>(bytes_, type);
        put<u32>(bytes_, static_cast<u32>(8 + body.size()));
        bytes_.insert(bytes_.end(), body.begin(), body.end());
        bytes_.resize((bytes_.size() + 7) & ~usize{7});
        return *this;
    }
    Tags& module(u32 start, u32 end, const std::string& text) {
        Buffer body;
        put<u32>(body, start);
        put<u32>(body, end);
        put_text(body, text);
        return tag(3, body);
    }
    [[nodiscard]] Buffer finish() {
        tag(0, {});
        for (usize i = 0; i < 4; ++i)
            bytes_[i] = static_cast<u8>(bytes_.size() >> (8 * i));
        return bytes_;
    }

  private:
    Buffer bytes_ = Buffer(8);
};

Buffer sample() {
    Buffer line;
    put_text(line, "console=com1");
    Buffer map;
    put<u32>(map, 24);
    put<u32>(map, 0);
    put<u64>(map, 0x100000);
    put<u64>(map, 0x7ff00000);
    put<u32>(map, 1);
    put<u32>(map, 0);
    Buffer system;
    put<u64>(system, 0x7eef018);
    return Tags{}
        .tag(1, line)
        .module(0x1000, 0x2001, "manifest")
        .tag(6, map)
        .tag(12, system)
        .tag(18, {})
        .tag(99, {1, 2, 3})
        .finish();
}

struct MultibootTest : testing::Test {
    std::unique_ptr<MultibootInfo> info = std::make_unique<MultibootInfo>();
};

TEST_F(MultibootTest, Version2) {
    const Buffer bytes = sample();
    ASSERT_TRUE(decode_multiboot2(bytes, *info).is_ok());
    EXPECT_EQ(info->command_line, "console=com1");
    ASSERT_EQ(info->modules.size(), 1u);
    EXPECT_EQ(info->modules[0].size, Bytes{0x1001});
    EXPECT_EQ(info->modules[0].command_line, "manifest");
    ASSERT_EQ(info->memory.size(), 1u);
    EXPECT_EQ(info->memory[0].start, HostPhysical{0x100000});
    EXPECT_EQ(info->efi_system_table, HostPhysical{0x7eef018});
    EXPECT_TRUE(info->efi_boot_services);
}

TEST_F(MultibootTest, Version2CutAnywhereIsRefused) {
    const Buffer bytes = sample();
    for (usize size = 0; size < bytes.size(); ++size) {
        *info = {};
        EXPECT_FALSE(decode_multiboot2(std::span{bytes}.first(size), *info).is_ok()) << size;
    }
}

TEST_F(MultibootTest, Version2Malformed) {
    EXPECT_EQ(decode_multiboot2(Tags{}.module(2, 1, "m").finish(), *info).error(),
              MultibootError::bad_module);
    EXPECT_EQ(decode_multiboot2(Tags{}.tag(1, {'x'}).finish(), *info).error(),
              MultibootError::unterminated);
    EXPECT_EQ(decode_multiboot2(Tags{}.tag(6, Buffer(8)).finish(), *info).error(),
              MultibootError::bad_tag);
    Tags many;
    for (int i = 0; i < 17; ++i)
        many.module(0, 0, "m");
    *info = {};
    EXPECT_EQ(decode_multiboot2(many.finish(), *info).error(), MultibootError::too_many_modules);
}

/// Physical memory from 0 up, as long as the buffer.
class Memory final : public PhysicalReader {
  public:
    explicit Memory(Buffer bytes) : bytes_{std::move(bytes)} {}
    Result<std::span<const u8>, MultibootError> view(HostPhysical at, usize size) override {
        if (at.raw() > bytes_.size() || size > bytes_.size() - at.raw())
            return Failure{MultibootError::unreadable};
        return std::span<const u8>{bytes_}.subspan(at.raw(), size);
    }
    std::span<const u8> view_up_to(HostPhysical at, usize limit) override {
        if (at.raw() >= bytes_.size())
            return {};
        return std::span<const u8>{bytes_}.subspan(at.raw(),
                                                   std::min(limit, bytes_.size() - at.raw()));
    }

  private:
    Buffer bytes_;
};

Buffer sample1(u32 module_count, u32 modules_at) {
    Buffer out;
    put<u32>(out, 1 << 2 | 1 << 3 | 1 << 6);
    out.resize(16);
    put<u32>(out, 100); // command line
    put<u32>(out, module_count);
    put<u32>(out, modules_at);
    out.resize(44);
    put<u32>(out, 24); // memory map
    put<u32>(out, 76);
    out.resize(60);
    put<u32>(out, 0x1000); // one module
    put<u32>(out, 0x1800);
    put<u32>(out, 105);
    put<u32>(out, 0);
    put<u32>(out, 20);
    put<u64>(out, 0);
    put<u64>(out, 0x9fc00);
    put<u32>(out, 1);
    put_text(out, "line");
    put_text(out, "file name");
    return out;
}

TEST_F(MultibootTest, Version1) {
    Memory memory{sample1(1, 60)};
    ASSERT_TRUE(decode_multiboot1(memory, HostPhysical{0}, *info).is_ok());
    EXPECT_EQ(info->command_line, "line");
    ASSERT_EQ(info->modules.size(), 1u);
    EXPECT_EQ(info->modules[0].command_line, "file name");
    EXPECT_EQ(info->modules[0].size, Bytes{0x800});
    ASSERT_EQ(info->memory.size(), 1u);
    EXPECT_EQ(info->memory[0].size, Bytes{0x9fc00});
}

TEST_F(MultibootTest, Version1PointersOutsideMemoryAreRefused) {
    Memory far{sample1(1, 0xfffffff0)};
    EXPECT_EQ(decode_multiboot1(far, HostPhysical{0}, *info).error(), MultibootError::unreadable);
    Memory many{sample1(0xffffffff, 60)};
    EXPECT_EQ(decode_multiboot1(many, HostPhysical{0}, *info).error(),
              MultibootError::too_many_modules);
    EXPECT_EQ(decode_multiboot1(many, HostPhysical{4096}, *info).error(),
              MultibootError::unreadable);
}

} // namespace
} // namespace ravelin::wire

// SPDX-License-Identifier: Apache-2.0
// From multiboot information to BootInfo: bounded copies, and names of modules.
#include <hv/boot/decode.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace ravelin::hv::boot {
namespace {

struct FillTest : testing::Test {
    std::unique_ptr<wire::MultibootInfo> info = std::make_unique<wire::MultibootInfo>();
    std::unique_ptr<BootInfo> out = std::make_unique<BootInfo>();
};

TEST_F(FillTest, TheLastWordNamesAModule) {
    ASSERT_TRUE(info->modules.push_back({HostPhysical{0x1000}, Bytes{5}, "manifest"}));
    ASSERT_TRUE(info->modules.push_back({HostPhysical{0x2000}, Bytes{6}, "/a/file dom0.kernel"}));
    ASSERT_TRUE(fill(*info, *out).is_ok());
    ASSERT_NE(out->module("manifest"), nullptr);
    ASSERT_NE(out->module("dom0.kernel"), nullptr);
    EXPECT_EQ(out->module("dom0.kernel")->start, HostPhysical{0x2000});
    EXPECT_EQ(out->module("/a/file"), nullptr);
    EXPECT_EQ(out->module(""), nullptr);
}

TEST_F(FillTest, TextsAreBounded) {
    const std::string long_text(2049, 'x');
    info->command_line = long_text;
    EXPECT_EQ(fill(*info, *out).error().error, DecodeError::text_too_long);
    info->command_line = {};
    ASSERT_TRUE(info->modules.push_back(
        {HostPhysical{}, Bytes{}, std::string_view{long_text}.substr(0, 257)}));
    EXPECT_EQ(fill(*info, *out).error().error, DecodeError::text_too_long);
}

TEST_F(FillTest, MemoryKinds) {
    for (const u32 type : {1u, 2u, 3u, 4u, 5u, 77u})
        ASSERT_TRUE(info->memory.push_back({HostPhysical{type << 20}, Bytes{1 << 20}, type}));
    ASSERT_TRUE(fill(*info, *out).is_ok());
    const MemoryKind expected[] = {MemoryKind::ram,
                                   MemoryKind::reserved,
                                   MemoryKind::acpi_reclaimable,
                                   MemoryKind::acpi_nvs,
                                   MemoryKind::bad,
                                   MemoryKind::reserved};
    ASSERT_EQ(out->memory_map.size(), std::size(expected));
    for (usize i = 0; i < std::size(expected); ++i)
        EXPECT_EQ(out->memory_map[i].kind, expected[i]);
}

} // namespace
} // namespace ravelin::hv::boot

// SPDX-License-Identifier: Apache-2.0
// ACPI tables, well formed and not.
#include <wire/acpi.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string_view>
#include <vector>

namespace ravelin::wire {
namespace {

using Buffer = std::vector<u8>;

template <typename T> void put(Buffer& out, T value) {
    for (usize i = 0; i < sizeof(T); ++i)
        out.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
}
void balance(Buffer& bytes, usize checksum_at, usize from, usize size) {
    bytes[checksum_at] = 0;
    u8 sum = 0;
    for (usize i = from; i < from + size; ++i)
        sum = static_cast<u8>(sum + bytes[i]);
    bytes[checksum_at] = static_cast<u8>(-sum);
}
Buffer table(std::string_view name, const Buffer& body) {
    Buffer out(name.begin(), name.end());
    put<u32>(out, static_cast<u32>(36 + body.size()));
    out.resize(36);
    out.insert(out.end(), body.begin(), body.end());
    balance(out, 9, 0, out.size());
    return out;
}

/// Physical memory from 0 up.
class Memory final : public AcpiMemory {
  public:
    Result<std::span<const u8>, AcpiError> view(HostPhysical at, usize size) override {
        if (at.raw() > bytes.size() || size > bytes.size() - at.raw())
            return Failure{AcpiError::unreadable};
        return std::span<const u8>{bytes}.subspan(at.raw(), size);
    }
    void place(u64 at, const Buffer& what) {
        bytes.resize(std::max<usize>(bytes.size(), at + what.size()));
        std::copy(what.begin(), what.end(), bytes.begin() + static_cast<long>(at));
    }
    Buffer bytes;
};

Buffer rsdp(u8 revision, u32 rsdt, u64 xsdt) {
    Buffer out;
    for (const char c : std::string_view{"RSD PTR "})
        out.push_back(static_cast<u8>(c));
    out.resize(15);
    out.push_back(revision);
    put<u32>(out, rsdt);
    put<u32>(out, 36);
    put<u64>(out, xsdt);
    out.resize(36);
    balance(out, 8, 0, 20);
    balance(out, 32, 0, 36);
    return out;
}

Buffer madt() {
    Buffer body;
    put<u32>(body, 0xfee00000);
    put<u32>(body, 1);
    for (const u8 id : {u8{0}, u8{1}, u8{2}}) {
        body.insert(body.end(), {0, 8, id, id});
        put<u32>(body, id == 2 ? 0 : 1); // the last is disabled
    }
    body.insert(body.end(), {1, 12});
    body.resize(body.size() + 10); // an I/O APIC
    body.insert(body.end(), {9, 16, 0, 0});
    put<u32>(body, 300);
    put<u32>(body, 1);
    put<u32>(body, 3);
    return table("APIC", body);
}

struct AcpiTest : testing::Test {
    AcpiTest() {
        Buffer root;
        put<u64>(root, 0x200);
        put<u64>(root, 0x400);
        memory.place(0x40, rsdp(2, 0, 0x100));
        memory.place(0x100, table("XSDT", root));
        memory.place(0x200, madt());
        memory.place(0x400, table("TEST", {1, 2, 3}));
    }
    Memory memory;
    std::unique_ptr<AcpiTables> tables = std::make_unique<AcpiTables>();
};

TEST_F(AcpiTest, TablesAreFoundThroughTheXsdt) {
    EXPECT_EQ(find_rsdp(memory.bytes), 0x40u);
    ASSERT_TRUE(discover_acpi(memory, HostPhysical{0x40}, *tables).is_ok());
    EXPECT_EQ(tables->tables.size(), 2u);
    EXPECT_TRUE(tables->find("APIC").is_ok());
    EXPECT_EQ(tables->find("TEST").value().size(), 39u);
    EXPECT_EQ(tables->find("DMAR").error(), AcpiError::absent);
}

TEST_F(AcpiTest, OldFirmwareHasAnRsdt) {
    Buffer root;
    put<u32>(root, 0x200);
    memory.place(0x40, rsdp(0, 0x100, 0));
    memory.place(0x100, table("RSDT", root));
    ASSERT_TRUE(discover_acpi(memory, HostPhysical{0x40}, *tables).is_ok());
    EXPECT_TRUE(tables->find("APIC").is_ok());
}

TEST_F(AcpiTest, ACorruptTableIsLeftOutAndCounted) {
    memory.bytes[0x400 + 37] ^= 1;
    ASSERT_TRUE(discover_acpi(memory, HostPhysical{0x40}, *tables).is_ok());
    EXPECT_EQ(tables->corrupt, 1u);
    EXPECT_FALSE(tables->find("TEST").is_ok());
}

TEST_F(AcpiTest, ACorruptRootIsRefused) {
    memory.bytes[0x100 + 20] ^= 1;
    EXPECT_EQ(discover_acpi(memory, HostPhysical{0x40}, *tables).error(), AcpiError::bad_checksum);
    memory.bytes[0x40 + 34] ^= 1;
    EXPECT_EQ(discover_acpi(memory, HostPhysical{0x40}, *tables).error(), AcpiError::bad_checksum);
    EXPECT_EQ(discover_acpi(memory, HostPhysical{0x41}, *tables).error(), AcpiError::bad_signature);
    EXPECT_EQ(discover_acpi(memory, HostPhysical{~u64{0}}, *tables).error(), AcpiError::unreadable);
}

TEST(Acpi, Madt) {
    const auto decoded = decode_madt(madt());
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().local_apic, HostPhysical{0xfee00000});
    ASSERT_EQ(decoded.value().processors.size(), 2u);
    EXPECT_EQ(decoded.value().processors[1], ApicId{1});
    EXPECT_EQ(decoded.value().left_out, 1u); // number 300 needs x2APIC mode
}

TEST(Acpi, MadtEntriesThatDoNotFit) {
    Buffer body(8);
    body.insert(body.end(), {0, 1});
    EXPECT_EQ(decode_madt(table("APIC", body)).error(), AcpiError::bad_length);
    body.back() = 200;
    EXPECT_EQ(decode_madt(table("APIC", body)).error(), AcpiError::truncated);
    body.back() = 3;
    body.push_back(0);
    EXPECT_EQ(decode_madt(table("APIC", body)).error(), AcpiError::truncated);
    EXPECT_EQ(decode_madt(table("MCFG", body)).error(), AcpiError::bad_signature);
}

TEST(Acpi, Mcfg) {
    Buffer body(8);
    put<u64>(body, 0xb0000000);
    put<u16>(body, 0);
    body.insert(body.end(), {0, 255, 0, 0, 0, 0});
    const auto decoded = decode_mcfg(table("MCFG", body));
    ASSERT_TRUE(decoded.is_ok());
    ASSERT_EQ(decoded.value().size(), 1u);
    EXPECT_EQ(decoded.value()[0].last_bus, 255);
    body[8 + 10] = 255;
    body[8 + 11] = 0;
    EXPECT_EQ(decode_mcfg(table("MCFG", body)).error(), AcpiError::bad_length);
    body.pop_back();
    EXPECT_EQ(decode_mcfg(table("MCFG", body)).error(), AcpiError::truncated);
}

TEST(Acpi, FadtOfAnyAge) {
    Buffer body(276 - 36);
    const auto set = [&body](usize at, u32 value) {
        for (usize i = 0; i < 4; ++i)
            body[at - 36 + i] = static_cast<u8>(value >> (8 * i));
    };
    set(40, 0x1234000);
    set(64, 0x604);
    set(112, 1 << 10);
    set(116, 1); // I/O space
    set(120, 0xcf9);
    body[128 - 36] = 6;
    const auto decoded = decode_fadt(table("FACP", body));
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().pm1a_control, 0x604);
    EXPECT_EQ(decoded.value().dsdt, HostPhysical{0x1234000});
    ASSERT_TRUE(decoded.value().reset);
    EXPECT_EQ(decoded.value().reset->address, 0xcf9u);
    EXPECT_EQ(decoded.value().reset_value, 6);
    body.resize(116 - 36);
    const auto old = decode_fadt(table("FACP", body));
    ASSERT_TRUE(old.is_ok());
    EXPECT_FALSE(old.value().reset);
    body.resize(60);
    EXPECT_EQ(decode_fadt(table("FACP", body)).error(), AcpiError::truncated);
}

TEST(Acpi, SoftOffType) {
    const auto dsdt = [](const Buffer& package) {
        Buffer body{0x08};
        for (const char c : std::string_view{"_S5_"})
            body.push_back(static_cast<u8>(c));
        body.insert(body.end(), package.begin(), package.end());
        return table("DSDT", body);
    };
    const auto plain = find_soft_off(dsdt({0x12, 0x06, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00}));
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->type_a, 5);
    EXPECT_EQ(plain->type_b, 0);
    EXPECT_FALSE(find_soft_off(dsdt({0x12, 0x06, 0x04, 0x70})));
    EXPECT_FALSE(find_soft_off(dsdt({0x12, 0x06, 0x04, 0x0a, 0x08, 0x00})));
    EXPECT_FALSE(find_soft_off(dsdt({0x12})));
    EXPECT_FALSE(find_soft_off({}));
}

TEST(Acpi, Tpm2) {
    Buffer body(4);
    put<u64>(body, 0xfed40000);
    put<u32>(body, 6);
    const auto decoded = decode_tpm2_table(table("TPM2", body));
    ASSERT_TRUE(decoded.is_ok());
    EXPECT_EQ(decoded.value().start_method, 6u);
    body.pop_back();
    EXPECT_EQ(decode_tpm2_table(table("TPM2", body)).error(), AcpiError::truncated);
}

} // namespace
} // namespace ravelin::wire

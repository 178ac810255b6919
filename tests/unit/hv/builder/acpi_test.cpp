// SPDX-License-Identifier: Apache-2.0
// The tables as a guest reads them: found from the RSDP, every checksum right, and nothing of the
// hypervisor's devices in them.
#include <hv/builder/acpi.hpp>

#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <string>
#include <vector>

namespace ravelin::hv::builder {
namespace {

constexpr u64 place = 0x1ff0'0000;

class Tables {
  public:
    Tables(const AcpiPlan& plan, usize room) : bytes_(room) {
        const auto written = write_acpi_tables(plan, bytes_);
        if (!written)
            return;
        rsdp = written.value().raw();
        const u64 xsdt = number(rsdp + 24, 8);
        for (u64 at = xsdt + 36; at < xsdt + number(xsdt + 4, 4); at += 8)
            found[text(number(at, 8), 4)] = number(at, 8);
        if (found.contains("FACP"))
            found["DSDT"] = number(found["FACP"] + 140, 8);
        found["XSDT"] = xsdt;
    }
    [[nodiscard]] u64 number(u64 at, usize size) const {
        u64 out = 0;
        for (usize i = size; i-- > 0;)
            out = out << 8 | bytes_.at(at - place + i);
        return out;
    }
    [[nodiscard]] std::string text(u64 at, usize size) const {
        std::string out;
        for (usize i = 0; i < size; ++i)
            out.push_back(static_cast<char>(bytes_.at(at - place + i)));
        return out;
    }
    [[nodiscard]] u8 sum(u64 at, u64 size) const {
        const auto first = bytes_.begin() + static_cast<std::ptrdiff_t>(at - place);
        return std::accumulate(first,
                               first + static_cast<std::ptrdiff_t>(size),
                               u8{0},
                               [](u8 a, u8 b) { return static_cast<u8>(a + b); });
    }
    [[nodiscard]] const std::vector<u8>& bytes() const { return bytes_; }

    u64 rsdp{};
    std::map<std::string, u64> found;

  private:
    std::vector<u8> bytes_;
};

PciRoot some_root() {
    PciRoot root{GuestPhysical{0xb000'0000}, 0xff, {}};
    EXPECT_TRUE(root.windows.push_back({0xc000'0000, 0x3ec0'0000}));
    EXPECT_TRUE(root.windows.push_back({0x80'0000'0000, 0x8'0000'0000}));
    return root;
}

TEST(Acpi, every_table_is_found_and_sums_to_zero) {
    const PciRoot root = some_root();
    const Tables tables{{GuestPhysical{place}, 2, &root}, 4096};
    EXPECT_EQ(tables.text(tables.rsdp, 8), "RSD PTR ");
    EXPECT_EQ(tables.sum(tables.rsdp, 20), 0);
    EXPECT_EQ(tables.sum(tables.rsdp, 36), 0);
    for (const auto& [name, at] : tables.found) {
        EXPECT_EQ(tables.text(at, 4), name);
        EXPECT_EQ(tables.sum(at, tables.number(at + 4, 4)), 0) << name;
        EXPECT_EQ(at % 16, 0u) << name;
    }
}

TEST(Acpi, no_table_names_the_hypervisors_devices) {
    const PciRoot root = some_root();
    const Tables tables{{GuestPhysical{place}, 1, &root}, 4096};
    std::vector<std::string> names;
    for (const auto& [name, at] : tables.found)
        names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string>{"APIC", "DSDT", "FACP", "MCFG", "XSDT"}));
    const Tables without{{GuestPhysical{place}, 1, nullptr}, 4096};
    EXPECT_FALSE(without.found.contains("MCFG"));
}

TEST(Acpi, the_platform_is_hardware_reduced_with_ports_to_stop_at) {
    const Tables tables{{GuestPhysical{place}, 1, nullptr}, 4096};
    const u64 fadt = tables.found.at("FACP");
    EXPECT_EQ(tables.number(fadt + 112, 4), 1u << 20 | 1u << 10);
    EXPECT_EQ(tables.number(fadt + 116, 1), 1u) << "reset register: system I/O";
    EXPECT_EQ(tables.number(fadt + 120, 8), 0x406u);
    EXPECT_EQ(tables.number(fadt + 128, 1), 1u);
    EXPECT_EQ(tables.number(fadt + 248, 8), 0x404u);
    EXPECT_EQ(tables.number(fadt + 260, 8), 0x405u);
    const u64 dsdt = tables.found.at("DSDT");
    EXPECT_EQ(tables.text(dsdt + 37, 4), "_S5_");
}

TEST(Acpi, one_local_apic_for_each_vcpu) {
    const Tables tables{{GuestPhysical{place}, 3, nullptr}, 4096};
    const u64 madt = tables.found.at("APIC");
    EXPECT_EQ(tables.number(madt + 4, 4), 44u + 3 * 8);
    EXPECT_EQ(tables.number(madt + 36, 4), 0xfee0'0000u);
    for (u64 i = 0; i < 3; ++i) {
        EXPECT_EQ(tables.number(madt + 44 + 8 * i, 4), 0x0000'0800u | i << 16 | i << 24);
        EXPECT_EQ(tables.number(madt + 48 + 8 * i, 4), 1u);
    }
}

TEST(Acpi, mcfg_lies_in_a_reserved_range_of_the_dsdt) {
    const PciRoot root = some_root();
    const Tables tables{{GuestPhysical{place}, 1, &root}, 4096};
    const u64 mcfg = tables.found.at("MCFG");
    EXPECT_EQ(tables.number(mcfg + 44, 8), 0xb000'0000u);
    EXPECT_EQ(tables.number(mcfg + 55, 1), 0xffu);
    const u64 dsdt = tables.found.at("DSDT");
    const std::string aml = tables.text(dsdt, tables.number(dsdt + 4, 4));
    // Memory32Fixed: read-write, base b0000000h, 256 MiB.
    EXPECT_NE(aml.find(std::string{"\x86\x09\x00\x01\x00\x00\x00\xb0\x00\x00\x00\x10", 12}),
              std::string::npos);
    EXPECT_NE(aml.find(std::string{"\x0c\x41\xd0\x0a\x08", 5}), std::string::npos) << "PNP0A08";
    EXPECT_NE(aml.find(std::string{"\x0c\x41\xd0\x0c\x02", 5}), std::string::npos) << "PNP0C02";
}

TEST(Acpi, too_little_room_is_an_error_and_nothing_is_written_beyond) {
    const PciRoot root = some_root();
    const AcpiPlan plan{GuestPhysical{place}, 16, &root};
    usize enough = 0;
    for (usize room = 0; room <= 2048; ++room) {
        std::vector<u8> exact(room); // the sanitizer watches its end
        const bool written = write_acpi_tables(plan, exact).is_ok();
        if (written && enough == 0)
            enough = room;
        EXPECT_EQ(written, enough != 0 && room >= enough) << room;
    }
    EXPECT_NE(enough, 0u);
    EXPECT_LE(enough, 1024u) << "what the builder gives them";
}

} // namespace
} // namespace ravelin::hv::builder

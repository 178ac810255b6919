// SPDX-License-Identifier: Apache-2.0
// The launch manifest: one value, one encoding; everything else is refused, and where.
#include <wire/manifest.hpp>

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace ravelin::wire {
namespace {

using Kind = ManifestError::Kind;
using Buffer = std::array<u8, 8192>;

ManifestDomain domain0() {
    ManifestDomain domain;
    domain.name = "dom0";
    domain.role = DomainRole::domain0;
    domain.kernel = "dom0.kernel";
    domain.ramdisk = "dom0.initrd";
    domain.command_line = "console=hvc0";
    domain.memory_mib = 512;
    domain.vcpus = 1;
    domain.device_class = DeviceClass::all_unassigned;
    domain.label = "system";
    return domain;
}

ManifestDomain guest(u16 id, std::string_view name) {
    ManifestDomain domain = domain0();
    domain.id = DomainId{id};
    domain.name = name;
    domain.role = DomainRole::guest;
    domain.device_class = DeviceClass::none;
    return domain;
}

std::vector<u8> encoded(std::span<const ManifestDomain> domains) {
    Buffer buffer{};
    const auto bytes = encode_manifest("Emulated platform", {}, domains, buffer);
    EXPECT_TRUE(bytes.is_ok());
    return {bytes.value().begin(), bytes.value().end()};
}

std::optional<Kind> refusal(std::span<const ManifestDomain> domains) {
    Buffer buffer{};
    const auto bytes = encode_manifest("Emulated platform", {}, domains, buffer);
    return bytes.is_ok() ? std::nullopt : std::optional{bytes.error().kind};
}

TEST(Manifest, DecodesWhatWasEncoded) {
    ManifestDomain second = guest(7, "disk");
    second.device_class = DeviceClass::listed;
    ASSERT_TRUE(second.devices.push_back({0, 1, 31, 7}));
    const std::array domains{domain0(), second};
    const std::vector<u8> bytes = encoded(domains);
    const auto manifest = Manifest::decode(bytes);
    ASSERT_TRUE(manifest.is_ok());
    EXPECT_EQ(manifest.value().platform(), "Emulated platform");
    ASSERT_EQ(manifest.value().domain_count(), 2U);
    const ManifestDomain first = manifest.value().domain(0);
    EXPECT_EQ(first.role, DomainRole::domain0);
    EXPECT_EQ(first.command_line, "console=hvc0");
    EXPECT_EQ(first.memory_mib, 512U);
    EXPECT_EQ(manifest.value().domain(1).devices[0], (PciAddress{0, 1, 31, 7}));
    EXPECT_EQ(encoded(std::array{first, manifest.value().domain(1)}), bytes);
}

TEST(Manifest, TheRecordIsTheDomainsBytes) {
    const std::vector<u8> bytes = encoded(std::array{domain0()});
    const ManifestDomain domain = Manifest::decode(bytes).value().domain(0);
    EXPECT_EQ(domain.record.data() + domain.record.size(), bytes.data() + bytes.size());
    EXPECT_EQ(domain.record[0], 1); // the tag of its id
}

TEST(Manifest, EveryPrefixIsRefused) {
    const std::vector<u8> bytes = encoded(std::array{domain0()});
    for (usize size = 0; size < bytes.size(); ++size)
        EXPECT_FALSE(Manifest::decode(std::span{bytes}.first(size)).is_ok()) << size;
}

TEST(Manifest, TrailingBytesAreRefused) {
    std::vector<u8> bytes = encoded(std::array{domain0()});
    bytes.push_back(0);
    EXPECT_FALSE(Manifest::decode(bytes).is_ok());
}

TEST(Manifest, AnotherVersionOrMagicIsRefused) {
    std::vector<u8> bytes = encoded(std::array{domain0()});
    bytes[8] = 2;
    EXPECT_EQ(Manifest::decode(bytes).error().kind, Kind::bad_version);
    bytes[0] ^= 1;
    EXPECT_EQ(Manifest::decode(bytes).error().kind, Kind::bad_magic);
}

TEST(Manifest, DomainZeroIsFirstIfItIsThere) {
    EXPECT_EQ(refusal({}), Kind::bad_domain0);
    EXPECT_EQ(refusal(std::array{guest(0, "a")}), Kind::bad_domain0);
    EXPECT_EQ(refusal(std::array{guest(1, "a"), domain0()}), Kind::bad_domain0);
    EXPECT_EQ(refusal(std::array{domain0(), domain0()}), Kind::bad_domain0);
    EXPECT_TRUE(Manifest::decode(encoded(std::array{guest(1, "a"), guest(2, "b")})).is_ok());
}

TEST(Manifest, NothingIsGivenTwice) {
    EXPECT_EQ(refusal(std::array{domain0(), guest(1, "a"), guest(1, "b")}), Kind::duplicate);
    EXPECT_EQ(refusal(std::array{domain0(), guest(1, "a"), guest(2, "a")}), Kind::duplicate);
    ManifestDomain first = guest(1, "a");
    first.device_class = DeviceClass::listed;
    ASSERT_TRUE(first.devices.push_back({0, 0, 3, 0}));
    ManifestDomain second = first;
    second.id = DomainId{2};
    second.name = "b";
    EXPECT_EQ(refusal(std::array{domain0(), first, second}), Kind::duplicate);
    ASSERT_TRUE(first.devices.push_back({0, 0, 3, 0}));
    EXPECT_EQ(refusal(std::array{domain0(), first}), Kind::duplicate);
}

TEST(Manifest, ValuesHaveBounds) {
    const auto with = [](auto change) {
        ManifestDomain domain = domain0();
        change(domain);
        return refusal(std::array{domain});
    };
    EXPECT_EQ(with([](auto& d) { d.vcpus = 0; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.vcpus = 65; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.memory_mib = 0; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.flags = 1; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.role = DomainRole{3}; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.device_class = DeviceClass{3}; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.device_class = DeviceClass::listed; }), Kind::bad_value);
    EXPECT_EQ(with([](auto& d) { d.name = ""; }), Kind::bad_text);
    EXPECT_EQ(with([](auto& d) { d.name = "a:b"; }), Kind::bad_text);
    EXPECT_EQ(with([](auto& d) { d.name = "a/b"; }), Kind::bad_text) << "no name of a VM";
    EXPECT_EQ(with([](auto& d) { d.kernel = "a b"; }), Kind::bad_text);
    EXPECT_EQ(with([](auto& d) { d.command_line = "a\nb"; }), Kind::bad_text);
    EXPECT_EQ(with([](auto& d) { d.ramdisk = ""; }), std::nullopt);
}

TEST(Manifest, NeitherTooManyDomainsNorTooSmallABuffer) {
    const std::array<std::string_view, 9> names{"", "1", "2", "3", "4", "5", "6", "7", "8"};
    std::vector<ManifestDomain> domains{domain0()};
    for (u16 id = 1; id < Manifest::max_domains; ++id)
        domains.push_back(guest(id, names[id]));
    EXPECT_EQ(refusal(domains), std::nullopt);
    domains.push_back(guest(8, names[8]));
    EXPECT_EQ(refusal(domains), Kind::too_many);
    std::array<u8, 100> small{};
    EXPECT_EQ(encode_manifest("p", {}, std::array{domain0()}, small).error().kind, Kind::full);
}

} // namespace
} // namespace ravelin::wire

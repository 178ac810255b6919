// SPDX-License-Identifier: Apache-2.0
// The launch manifest: which domains there are at boot, in the binary form that is measured. A
// sequence of records (tag u16, length u32, value), little-endian, in one order, so that one
// manifest has one encoding. The hypervisor takes domains from it and from nowhere else; `ravelin
// manifest compile` makes it from TOML.
#pragma once

#include <base/cursor.hpp>
#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <array>
#include <string_view>

namespace ravelin::wire {

enum class DomainRole : u8 { domain0 = 1, guest = 2 };
[[nodiscard]] std::string_view name(DomainRole role);

/// Which PCI functions a domain gets.
enum class DeviceClass : u8 {
    none = 0,
    listed = 1,
    all_unassigned = 2, ///< all that no other domain lists and that may be given away
};
[[nodiscard]] std::string_view name(DeviceClass devices);

/// One domain; its views point into the manifest's bytes.
struct ManifestDomain {
    static constexpr usize max_name = 32;
    static constexpr usize max_command_line = 2048;
    static constexpr usize max_devices = 16;
    static constexpr u32 max_memory_mib = 1 << 20;
    static constexpr u32 max_vcpus = 64;

    DomainId id{};
    std::string_view name{};
    DomainRole role{DomainRole::guest};
    std::string_view kernel{};  ///< a module's name
    std::string_view ramdisk{}; ///< a module's name; empty: none
    std::string_view command_line{};
    u32 memory_mib = 0;
    u32 vcpus = 0;
    DeviceClass device_class{DeviceClass::none};
    FixedVector<PciAddress, max_devices> devices{}; ///< of class `listed`
    std::string_view label{};
    u32 flags = 0; ///< none is defined: zero
    /// The encoded record, as `ravelin:config:<name>` is measured over it. Decoder's output only.
    std::span<const u8> record{};
};

struct ManifestError {
    enum class Kind : u8 {
        truncated,   ///< a record ends early
        trailing,    ///< bytes behind the last record, or inside one
        bad_magic,   ///< not a launch manifest
        bad_version, ///< of a format that this hypervisor does not know
        bad_order,   ///< a record other than the one that must come here
        bad_text,    ///< empty where it may not be, too long, or not printable ASCII
        bad_value,   ///< a number or an enumeration out of range
        duplicate,   ///< two domains with one id or one name, or one device twice
        bad_domain0, ///< no domain at all, domain 0 not first, or id and role 0 apart
        too_many,    ///< domains or devices
        full,        ///< (encoding) the buffer is too small
    };
    Kind kind{};
    usize offset = 0; ///< of the byte after the field that is wrong
};
[[nodiscard]] std::string_view name(ManifestError::Kind kind);

/// A manifest that decodes. The bytes outlive it.
class Manifest {
  public:
    static constexpr std::array<u8, 8> magic{'R', 'V', 'L', 'N', 'M', 'A', 'N', '1'};
    static constexpr u32 version = 1;
    static constexpr usize max_domains = 8;
    static constexpr usize max_platform = 64;
    static constexpr usize max_policy = 64 * 1024;

    /// Checks all of it; what comes out of the accessors below needs no further check.
    [[nodiscard]] static Result<Manifest, ManifestError> decode(std::span<const u8> bytes);

    [[nodiscard]] std::string_view platform() const { return platform_; }
    /// The compiled policy; empty until there is one.
    [[nodiscard]] std::span<const u8> policy() const { return policy_; }
    [[nodiscard]] usize domain_count() const { return records_.size(); }
    /// Decoded anew at each call: it is large. Domain 0, if there is one, is the first.
    [[nodiscard]] ManifestDomain domain(usize index) const;

  private:
    Manifest() = default;
    [[nodiscard]] Status<ManifestError> check_domains() const;

    std::string_view platform_{};
    std::span<const u8> policy_{};
    FixedVector<std::span<const u8>, max_domains> records_{};
    FixedVector<usize, max_domains> offsets_{};
};

/// Writes the binary form; a view into `buffer`. What would not decode is an error here already.
[[nodiscard]] Result<std::span<const u8>, ManifestError>
encode_manifest(std::string_view platform,
                std::span<const u8> policy,
                std::span<const ManifestDomain> domains,
                std::span<u8> buffer);

} // namespace ravelin::wire

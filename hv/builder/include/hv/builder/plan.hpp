// SPDX-License-Identifier: Apache-2.0
// What a domain is built from: decided by the launch manifest, measured before this room sees it.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace ravelin::hv::builder {

/// Where a guest finds the pages it shares with its store and with its console, in a region that
/// its memory map calls reserved: outside its RAM, where Xen has them.
constexpr GuestFrame special_pages{0xfeff8};
constexpr u64 special_page_count = 8;
constexpr GuestFrame store_page{0xfeffc};
constexpr GuestFrame console_page{0xfefff};

/// A range of physical addresses that devices behind the root bridge decode; shown to the domain
/// 1:1.
struct PciWindow {
    u64 start{};
    u64 size{};
};

/// What the domain is told about its PCI root; none for a domain without devices.
struct PciRoot {
    GuestPhysical ecam{};
    u8 last_bus{};
    FixedVector<PciWindow, 4> windows{};
};

struct Plan {
    std::string_view name{};
    std::span<const u8> kernel{};
    std::span<const u8> ramdisk{};
    std::string_view command_line{};
    Bytes memory{};
    u32 vcpus{1};
    bool initial_domain{};
    std::optional<PciRoot> pci{};
};

/// How far a domain's filling got.
struct Progress {
    u64 copied = 0; ///< bytes of the kernel's segments and then of the ramdisk
};

} // namespace ravelin::hv::builder

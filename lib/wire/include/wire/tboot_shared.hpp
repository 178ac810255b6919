// SPDX-License-Identifier: Apache-2.0
// The page that tboot shares with what it launched, version 6: where it lies, how it is called at
// the end, how its waiting processors are woken. A decoder of untrusted bytes, and the places of
// what the launched side may write. [tboot 1.10, include/tboot.h]
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

#include <span>
#include <string_view>

namespace ravelin::wire::tboot {

enum class SharedError : u8 {
    truncated,
    bad_uuid,
    bad_version, ///< not 6
    bad_range,   ///< tboot's own memory is empty or leaves the first 4 GiB
    bad_entry,   ///< the shutdown entry is not in tboot's memory
};
[[nodiscard]] std::string_view text(SharedError error);

struct Shared {
    static constexpr usize size = 4096;
    u32 version{};
    HostPhysical log{};            ///< tboot's text log; 0: none
    HostPhysical shutdown_entry{}; ///< 32- or 64-bit code, identity-mapped, interrupts off
    HostPhysical base{};           ///< of tboot itself, shared page included
    Bytes bytes{};
    u32 waiting_processors{}; ///< in wait-for-SIPI or in MWAIT
    bool wakes_by_mwait{};    ///< else the processors take INIT and SIPI
};
[[nodiscard]] Result<Shared, SharedError> decode_shared(std::span<const u8> page);

/// What is asked of the shutdown entry. Its values are tboot's.
enum class ShutdownType : u32 { reboot = 0, soft_off = 1, halt = 4 };

/// Where to write. Offsets in the page.
namespace offset {
constexpr usize shutdown_type = 0x1c;
constexpr usize pm1a_control = 0x20;       ///< an ACPI generic address, 12 bytes
constexpr usize pm1b_control = 0x2c;       ///< likewise
constexpr usize pm1a_control_value = 0x50; ///< 16 bits
constexpr usize pm1b_control_value = 0x52;
constexpr usize waiting_processors = 0x234;
constexpr usize wake_address = 0x23c; ///< 64 bits: real-mode address, below 1 MiB
constexpr usize wake_trigger = 0x244; ///< 32 bits: the APIC identifier; written last
} // namespace offset

} // namespace ravelin::wire::tboot

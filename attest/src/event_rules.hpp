// SPDX-License-Identifier: Apache-2.0
// Which event types belong into which register of a launch, and whose data is what was hashed. [TCG
// PC Client Platform Firmware Profile 1.05, table 14 and 2.3.4] [TXT SDG rev 17, G]
#pragma once

#include <wire/tcg_log.hpp>

namespace ravelin::attest {

namespace event_type {
constexpr u32 post_code = 0x01;
constexpr u32 separator = 0x04;
constexpr u32 action = 0x05;
constexpr u32 event_tag = 0x06;
constexpr u32 s_crtm_contents = 0x07;
constexpr u32 s_crtm_version = 0x08;
constexpr u32 cpu_microcode = 0x09;
constexpr u32 platform_config_flags = 0x0a;
constexpr u32 table_of_devices = 0x0b;
constexpr u32 ipl = 0x0d;
constexpr u32 nonhost_code = 0x0f;
constexpr u32 nonhost_config = 0x10;
constexpr u32 nonhost_info = 0x11;
constexpr u32 omit_boot_device_events = 0x12;
constexpr u32 post_code2 = 0x13;
constexpr u32 txt_first = 0x401; // SINIT's: 0x402 its own hash, 0x404 the measured environment, …
constexpr u32 txt_last = 0x4ff;
constexpr u32 tboot_module = 0x501;
constexpr u32 efi_variable_driver_config = 0x8000'0001;
constexpr u32 efi_action = 0x8000'0007;
constexpr u32 efi_first = 0x8000'0000;
constexpr u32 efi_last = 0x8000'00ff;
} // namespace event_type

/// Boot loader and hypervisor write EV_IPL into 8, 9 and 12 (19) and nobody else does; firmware's
/// types stay below, SINIT's and tboot's in 17 and 18.
[[nodiscard]] constexpr bool may_stand_in(wire::EventType type, unsigned pcr) {
    using namespace event_type;
    const auto raw = static_cast<u32>(type);
    if (pcr == 8 || pcr == 9)
        return raw == ipl;
    if (pcr == 17 || pcr == 18)
        return (raw >= txt_first && raw <= txt_last) || raw == tboot_module;
    if (pcr == 12 || pcr == 19)
        return raw == ipl || raw == separator;
    if (pcr > 7)
        return false;
    const bool is_efi = raw >= efi_first && raw <= efi_last;
    switch (raw) {
    case separator:
    case action:
        return true;
    case post_code:
    case post_code2:
    case s_crtm_contents:
    case s_crtm_version:
    case nonhost_code:
        return pcr == 0;
    case cpu_microcode:
    case platform_config_flags:
    case table_of_devices:
    case nonhost_config:
    case event_tag:
        return pcr == 1;
    case nonhost_info:
        return pcr == 0 || pcr == 1;
    case omit_boot_device_events:
        return pcr == 4;
    default:
        return is_efi;
    }
}

/// The digest is that of the event's data.
[[nodiscard]] constexpr bool is_self_describing(wire::EventType type) {
    using namespace event_type;
    const auto raw = static_cast<u32>(type);
    return raw == separator || raw == action || raw == s_crtm_version || raw == efi_action ||
           raw == efi_variable_driver_config;
}

} // namespace ravelin::attest

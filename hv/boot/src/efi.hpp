// SPDX-License-Identifier: Apache-2.0
// What is carried from the firmware's world into ours: its memory map and its event log.
#pragma once

#include <hv/boot/boot_info.hpp>

namespace ravelin::hv::boot {

/// Why the firmware's log could not be taken. The launch is then unmeasured, not stopped.
enum class FirmwareLogState : u8 { absent, taken, no_tcg2, refused, malformed, no_memory };

/// Filled by ravelin_efi_leave_firmware() and read by decode(), both on the boot CPU.
struct EfiHandover {
    bool left_firmware{};
    FirmwareLogState log_state{FirmwareLogState::absent};
    FirmwareLog log{};
    FixedVector<MemoryRange, 256> memory_map{};
};
[[nodiscard]] const EfiHandover& efi_handover();

} // namespace ravelin::hv::boot

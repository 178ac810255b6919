// SPDX-License-Identifier: Apache-2.0
// From what the entry found in its registers to a BootInfo.
#pragma once

#include <base/result.hpp>
#include <hv/boot/boot_info.hpp>
#include <wire/multiboot.hpp>

namespace ravelin::hv::boot {

enum class DecodeError : u8 {
    unknown_loader,       ///< the magic is neither multiboot's
    multiboot,            ///< the information is malformed; `multiboot_error` says how
    text_too_long,        ///< a command line over its bound
    firmware_did_not_end, ///< ExitBootServices failed, or GRUB had ended boot services itself
    no_memory_map,
};
struct DecodeFailure {
    DecodeError error;
    wire::MultibootError multiboot_error{};
};
[[nodiscard]] std::string_view text(const DecodeFailure& failure);

/// Decodes and copies. Context: boot CPU, the first 4 GiB mapped at the direct map.
[[nodiscard]] Status<DecodeFailure> decode(u32 magic, HostPhysical information, BootInfo& out);

/// Pure part: fills `out` from decoded multiboot information. `rsdp_holder` is where the loader's
/// RSDP copy was found.
[[nodiscard]] Status<DecodeFailure> fill(const wire::MultibootInfo& info, BootInfo& out);

} // namespace ravelin::hv::boot

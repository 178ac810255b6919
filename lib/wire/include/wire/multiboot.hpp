// SPDX-License-Identifier: Apache-2.0
// Multiboot 1 and 2 information, as GRUB and QEMU's -kernel hand it over. Pure decoders of
// untrusted bytes: every pointer and length is bounded. [Multiboot 0.6.96 section 3.3]
// [Multiboot2 2.0 section 3.6]
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <base/types.hpp>

#include <optional>
#include <span>
#include <string_view>

namespace ravelin::wire {

constexpr u32 multiboot1_magic = 0x2badb002; ///< in EAX at entry
constexpr u32 multiboot2_magic = 0x36d76289;

enum class MultibootError : u8 {
    truncated,        ///< a structure is longer than what holds it
    unreadable,       ///< a pointer leads outside readable memory
    bad_tag,          ///< a tag is shorter than its kind needs, or the end tag is missing
    bad_module,       ///< a module ends before it starts
    too_many_modules, ///< more than 16
    too_many_ranges,  ///< more than 256 memory ranges
    unterminated,     ///< a string without its NUL
};
[[nodiscard]] std::string_view text(MultibootError error);

struct MultibootModule {
    HostPhysical start{};
    Bytes size{};
    std::string_view command_line{};
};

/// A range of the E820-style map; type 1 is RAM, 3 ACPI reclaimable, 4 ACPI NVS, 5 bad, others
/// reserved.
struct MultibootRange {
    HostPhysical start{};
    Bytes size{};
    u32 type{};
};

/// Views into the decoded bytes; valid as long as those are.
struct MultibootInfo {
    std::string_view command_line{};
    FixedVector<MultibootModule, 16> modules{};
    FixedVector<MultibootRange, 256> memory{};
    std::span<const u8>
        rsdp{}; ///< a copy of the RSDP, the newer revision where both are given; empty when none
    std::optional<HostPhysical> efi_system_table{};
    std::optional<u64> efi_image_handle{};
    bool efi_boot_services{}; ///< boot services still run: ExitBootServices is ours to call
};

/// Decodes Multiboot2 information. `info` starts at its total_size field and is at least that long.
/// `out`, fresh, is filled in place, because it is larger than a stack frame should be, and is to
/// be used on success only.
[[nodiscard]] Status<MultibootError> decode_multiboot2(std::span<const u8> info,
                                                       MultibootInfo& out);

/// How Multiboot 1's pointers are followed.
class PhysicalReader {
  public:
    /// Views `size` bytes at `address`, or `unreadable`.
    [[nodiscard]] virtual Result<std::span<const u8>, MultibootError> view(HostPhysical address,
                                                                           usize size) = 0;
    /// Views up to `limit` bytes at `address`, as far as memory is readable.
    [[nodiscard]] virtual std::span<const u8> view_up_to(HostPhysical address, usize limit) = 0;

  protected:
    ~PhysicalReader() = default;
};

/// Decodes Multiboot 1 information at `info`, likewise.
[[nodiscard]] Status<MultibootError>
decode_multiboot1(PhysicalReader& memory, HostPhysical info, MultibootInfo& out);

} // namespace ravelin::wire

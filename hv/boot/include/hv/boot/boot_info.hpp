// SPDX-License-Identifier: Apache-2.0
// What the loader told us, decoded and copied: nothing in it points into loader memory but the
// modules and the firmware's log, whose frames stay reserved. Written once by the boot CPU before
// any other runs; read only afterwards.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/types.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace ravelin::hv::boot {

/// Text copied from the loader, with an inline bound.
template <usize Capacity> class BoundedText {
  public:
    constexpr BoundedText() = default;
    /// False, and the text empty, when it does not fit.
    [[nodiscard]] constexpr bool assign(std::string_view text) {
        size_ = 0;
        if (text.size() > Capacity)
            return false;
        std::copy(text.begin(), text.end(), text_.begin());
        size_ = text.size();
        return true;
    }
    [[nodiscard]] constexpr std::string_view view() const { return {text_.data(), size_}; }

  private:
    std::array<char, Capacity> text_{};
    usize size_{};
};

/// How we were started; it decides nothing about trust, only about what data there is.
enum class Loader : u8 { multiboot1, multiboot2_bios, multiboot2_efi };

struct Module {
    HostPhysical start{};
    Bytes size{};
    BoundedText<256> command_line{};
    /// The name that the manifest uses: the last word of the command line.
    [[nodiscard]] std::string_view name() const {
        const std::string_view text = command_line.view();
        const auto space = text.find_last_of(' ');
        return space == std::string_view::npos ? text : text.substr(space + 1);
    }
};

enum class MemoryKind : u8 { ram, reserved, acpi_reclaimable, acpi_nvs, bad };

struct MemoryRange {
    HostPhysical start{};
    Bytes size{};
    MemoryKind kind{MemoryKind::reserved};
};

/// The firmware's TCG log, copied to frames of ours before boot services ended.
struct FirmwareLog {
    HostPhysical start{};
    Bytes size{};
    bool truncated{}; ///< the firmware said that it had no room for some events
};

struct BootInfo {
    Loader loader{};
    BoundedText<2048> command_line{};
    FixedVector<Module, 16> modules{};
    FixedVector<MemoryRange, 256> memory_map{};
    std::optional<HostPhysical> rsdp{};
    std::optional<FirmwareLog> firmware_log{};
    std::optional<HostPhysical> efi_system_table{};

    /// The module with that name, or nullptr.
    [[nodiscard]] const Module* module(std::string_view name) const {
        const auto* found = std::find_if(
            modules.begin(), modules.end(), [name](const Module& m) { return m.name() == name; });
        return found == modules.end() ? nullptr : found;
    }
};

} // namespace ravelin::hv::boot

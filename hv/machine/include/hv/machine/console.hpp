// SPDX-License-Identifier: Apache-2.0
// The hypervisor's console: COM1 and a ring of what was said, which log_read hands out. Any CPU,
// any context but NMI.
#pragma once

#include <base/types.hpp>
#include <hv/machine/format.hpp>

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace ravelin::hv::machine {

/// Sets COM1 up: 115200 8N1, FIFOs on. Context: boot CPU, before anything is printed.
void open_console();

/// Writes text as it is.
void write_console(std::string_view text);

/// Writes one line of the hypervisor's own: "ravelin: " + format + newline.
void log_line(std::string_view format, std::span<const FormatArgument> arguments);
template <typename... Arguments> void log(std::string_view format, const Arguments&... arguments) {
    if constexpr (sizeof...(Arguments) == 0) {
        log_line(format, {});
    } else {
        const std::array<FormatArgument, sizeof...(Arguments)> list{FormatArgument{arguments}...};
        log_line(format, list);
    }
}

/// The next character typed on COM1, or none.
[[nodiscard]] std::optional<char> read_console();

/// Whether read_console() would give a character.
[[nodiscard]] bool console_has_input();

/// Copies the console's history from byte `offset` of everything ever said; the count copied. What
/// fell out of the ring (64 KiB) is skipped: `offset` is then moved to the oldest byte there is.
[[nodiscard]] usize read_console_history(u64& offset, std::span<u8> destination);

/// In a panic: breaks the console's lock, for the CPU that prints the last words.
void seize_console();

} // namespace ravelin::hv::machine

// SPDX-License-Identifier: Apache-2.0
// How long events of a crypto-agile log are: just enough to copy a log whose end the firmware names
// only by its last event. Decoding the log is wire/tcg_log's work. [TCG PC Client Platform Firmware
// Profile 1.05 10.2]
#pragma once

#include <base/types.hpp>

#include <optional>
#include <span>

namespace ravelin::hv::boot {

/// Bytes of the first event of `events`, whose digests are of the algorithms that the header event
/// at the start of `log` lists. None when malformed or longer than `events`.
[[nodiscard]] std::optional<usize> event_size(std::span<const u8> log, std::span<const u8> events);

/// Bytes of the log whose last event starts at `last`. None when malformed or longer than `log`.
[[nodiscard]] std::optional<usize> log_size(std::span<const u8> log, usize last);

} // namespace ravelin::hv::boot

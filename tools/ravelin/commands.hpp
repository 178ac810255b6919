// SPDX-License-Identifier: Apache-2.0
// The subcommands of `ravelin`, one file each. Each adds itself to the parser and runs in its
// callback; what goes wrong is thrown as std::runtime_error in words for the user.
#pragma once

#include <base/int.hpp>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools {

void add_kernel(CLI::App& app);
void add_manifest(CLI::App& app);

/// The exit status of a command that ran and said no: `verify` of evidence that is not to be
/// trusted.
struct Refusal {};

[[nodiscard]] std::vector<u8> read_bytes(const std::filesystem::path& path);
[[nodiscard]] std::string read_text(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, std::span<const u8> bytes);

} // namespace ravelin::tools

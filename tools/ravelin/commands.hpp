// SPDX-License-Identifier: Apache-2.0
// The subcommands of `ravelin`, one file each. Each adds itself to the parser and runs in its
// callback; what goes wrong is thrown as std::runtime_error in words for the user.
#pragma once

#include <base/int.hpp>
#include <base/result.hpp>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools {

void add_agent(CLI::App& app);
void add_kernel(CLI::App& app);
void add_manifest(CLI::App& app);
void add_predict(CLI::App& app);
void add_tboot(CLI::App& app);
void add_verifier(CLI::App& app);
void add_verify(CLI::App& app);
void add_vm(CLI::App& app);

/// The exit status of a command that ran and said no: `verify` of evidence that is not to be
/// trusted.
struct Refusal {};

/// A library's value, or what it says is wrong, with the thing that it is about.
template <typename T> T or_throw(Result<T, std::string> result, const std::string& about) {
    if (!result)
        throw std::runtime_error{about + ": " + result.error()};
    return std::move(result).value();
}

[[nodiscard]] std::vector<u8> read_bytes(const std::filesystem::path& path);
[[nodiscard]] std::string read_text(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, std::span<const u8> bytes);

} // namespace ravelin::tools

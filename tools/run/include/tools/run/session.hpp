// SPDX-License-Identifier: Apache-2.0
// One run: files, machine, console, end.
#pragma once

#include "tools/run/guest.hpp"
#include "tools/run/outcome.hpp"

#include <chrono>
#include <filesystem>
#include <string>

namespace ravelin::run {

struct Options {
    std::string build; ///< the build folder with the hypervisor in it
    std::filesystem::path kernel;
    std::filesystem::path ramdisk; ///< empty: none
    Guest guest;
    unsigned processors{1};
    Launch launch{Launch::direct};
    std::chrono::seconds timeout{0}; ///< 0: none
};

/// Runs the guest with its console on the terminal (standard input and output). What the user gave
/// and cannot be used is thrown as tools::ServerError.
[[nodiscard]] Outcome run_guest(const Options& options);

} // namespace ravelin::run

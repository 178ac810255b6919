// SPDX-License-Identifier: Apache-2.0
// The boots of the benchmark: each gives what its console said.
#pragma once

#include <tools/bench/table.hpp>

#include <filesystem>

namespace ravelin::bench {

/// One processor whose clock counts instructions, for all of them. `build`: the build folder.
[[nodiscard]] std::string run_machine(Run run, const std::filesystem::path& build);

/// What a run is, for the progress.
[[nodiscard]] std::string_view describe(Run run);

} // namespace ravelin::bench

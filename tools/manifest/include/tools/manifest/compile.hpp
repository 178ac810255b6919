// SPDX-License-Identifier: Apache-2.0
// The launch manifest as people write it, in TOML, and its measured binary form
// [wire/manifest.hpp]. Unknown keys are errors: a misspelt one must not pass for its absence.
#pragma once

#include <base/int.hpp>
#include <base/result.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::tools {

/// What is wrong with a manifest, and where in the text; line 0: nowhere in particular.
struct ManifestDiagnostic {
    u32 line{};
    u32 column{};
    std::string message;
};
/// "FILE:LINE:COLUMN: MESSAGE".
[[nodiscard]] std::string describe(const ManifestDiagnostic& diagnostic, const std::string& file);

[[nodiscard]] Result<std::vector<u8>, ManifestDiagnostic> compile_manifest(std::string_view toml);

/// The TOML of a compiled manifest; compiling it gives the same bytes.
[[nodiscard]] Result<std::string, ManifestDiagnostic> show_manifest(std::span<const u8> bytes);

} // namespace ravelin::tools

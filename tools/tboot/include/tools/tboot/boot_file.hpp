// SPDX-License-Identifier: Apache-2.0
// Files as tboot gets them from GRUB.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::tools::tboot {

/// The content, unpacked when it is gzip, as GRUB does; or what is wrong with the file.
[[nodiscard]] Result<std::vector<u8>, std::string>
read_boot_file(const std::filesystem::path& path);

} // namespace ravelin::tools::tboot

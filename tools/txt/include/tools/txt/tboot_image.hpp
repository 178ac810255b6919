// SPDX-License-Identifier: Apache-2.0
// Where in a tboot binary the model must stop the processor. Found by scanning its code for the
// instructions, so that any build will do; what is not found is an error in words.
#pragma once

#include <base/int.hpp>
#include <base/result.hpp>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools::txt {

struct TbootImage {
    u64 base{};  ///< where it is loaded
    u64 size{};  ///< of all its memory
    u64 entry{}; ///< of GRUB's jump
    std::vector<u64> getsec;
    std::vector<u64> feature_control_reads; ///< RDMSR of IA32_FEATURE_CONTROL
    std::map<u64, unsigned> cr4_reads;      ///< and the general register's number
    std::map<u64, unsigned> cr4_writes;
    std::map<u64, unsigned> handovers; ///< jumps to the payload, and the register with its entry
};

/// `elf` is tboot, unpacked. The error says what was expected and is not there.
[[nodiscard]] Result<TbootImage, std::string> scan_tboot(std::span<const u8> elf);

/// A file as GRUB hands it on: unpacked when it is gzip.
[[nodiscard]] std::vector<u8> read_unpacked(const std::filesystem::path& path);

} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
// The ISO that a TXT server boots: GRUB for BIOS with what a TXT machine's firmware would have done
// before it, and the files of a menu entry.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ravelin::tools::txt {

/// Memory that the firmware keeps for TXT, below what QEMU's own firmware keeps for its tables.
struct FirmwareMemory {
    explicit FirmwareMemory(unsigned machine_mib);
    unsigned long long base; ///< of all of it: what GRUB must not hand out
    unsigned long long end;
    unsigned long long stub;  ///< a page of the chipset's own
    unsigned long long sinit; ///< SINIT.BASE
    unsigned long long sinit_size;
    unsigned long long heap; ///< HEAP.BASE
    unsigned long long heap_size;
};

struct MediumFile {
    std::filesystem::path source;
    std::string path; ///< in the image, "/tboot.gz"
};

/// grub.cfg: the firmware's part, then `entry`, then boot.
[[nodiscard]] std::string medium_config(unsigned machine_mib, const std::string& entry);

void build_medium(const std::vector<MediumFile>& files,
                  const std::string& config,
                  const std::filesystem::path& output);

} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
// A GRUB menu entry that launches a multiboot2 payload through tboot, with tboot's traps stepped
// around.
#pragma once

#include <string>
#include <vector>

namespace ravelin::tools::tboot {

struct MenuModule {
    std::string path;         ///< as GRUB names it, "/manifest"
    std::string command_line; ///< what tboot passes on, and measures
};

struct MenuEntry {
    std::string tboot{"/tboot.gz"};
    /// tboot's own: its first 511 characters are in the environment's hash.
    std::string options{default_options};
    std::vector<MenuModule> modules; ///< the payload first

    /// APs wait in MWAIT: tboot's other way needs VMX.
    static constexpr const char* default_options = "logging=serial,memory ap_wake_mwait=true";
};

/// The lines of grub.cfg: one multiboot2 line for tboot, one module2 line each.
/// tboot 1.10.5 moves its modules before it has looked at the boot information, and loses that when
/// GRUB put it below them within the payload's reach; a command line longer than what fits below
/// the modules moves it above. The padding behind the options does that; tboot knows no such
/// option.
[[nodiscard]] std::string grub_lines(const MenuEntry& entry);

/// tboot's command line as tboot and its measurement see it.
[[nodiscard]] std::string padded_options(const std::string& options);

} // namespace ravelin::tools::tboot

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/tboot/menu_entry.hpp"

namespace ravelin::tools::tboot {
namespace {

constexpr std::size_t padded_size = 3968; // GRUB's boot information then takes more than a page

} // namespace

std::string padded_options(const std::string& options) {
    std::string padded = options + " padding=";
    if (padded.size() < padded_size)
        padded.resize(padded_size, 'x');
    return padded;
}

std::string grub_lines(const MenuEntry& entry) {
    std::string text = "multiboot2 " + entry.tboot + " " + padded_options(entry.options) + "\n";
    for (const MenuModule& module : entry.modules) {
        text += "module2 " + module.path;
        if (!module.command_line.empty())
            text += " " + module.command_line;
        text += "\n";
    }
    return text;
}

} // namespace ravelin::tools::tboot

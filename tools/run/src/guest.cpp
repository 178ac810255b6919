// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/run/guest.hpp"

namespace ravelin::run {
namespace {

/// A TOML basic string [TOML 1.0, String]; what may not be in a manifest is refused by its
/// compiler.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + "\"";
}

} // namespace

std::string manifest_toml(const Guest& guest) {
    std::string text = "version = 1\n"
                       "platform = \"A kernel tried out\"\n"
                       "\n"
                       "[[domain]]\n"
                       "id = 1\n"
                       "name = " +
                       quoted(guest_name) +
                       "\n"
                       "role = \"guest\"\n"
                       "kernel = " +
                       quoted(kernel_module) + "\n";
    if (guest.ramdisk == Ramdisk::present)
        text += "ramdisk = " + quoted(ramdisk_module) + "\n";
    text += "command_line = " + quoted(guest.command_line) + "\n";
    text += "memory_mib = " + std::to_string(guest.memory_mib) + "\n";
    text += "vcpus = " + std::to_string(guest.vcpus) + "\n";
    text += "devices = \"none\"\nlabel = \"guest\"\n";
    return text;
}

unsigned machine_memory_mib(const Guest& guest, u64 image_bytes, Launch launch) {
    constexpr unsigned hypervisor_mib = 256;
    constexpr unsigned firmware_mib = 512;
    // The loader's copy and, under UEFI, the firmware's.
    const auto images = static_cast<unsigned>((image_bytes >> 20) + 1);
    return guest.memory_mib + hypervisor_mib +
           (launch == Launch::srtm ? firmware_mib + 2 * images : images);
}

} // namespace ravelin::run

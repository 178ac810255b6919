// SPDX-License-Identifier: Apache-2.0
// A "newc" cpio archive as the kernel unpacks it [Linux, buffer-format]. Reproducible: no time, no
// owner, inode numbers in order of name.
#pragma once

#include <base/int.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace ravelin::tools {

class CpioArchive {
  public:
    /// Paths are absolute in the guest ("/bin/busybox"); the folders above them are made. A later
    /// entry replaces an earlier one.
    void add_file(const std::string& path, std::vector<u8> content, u32 permissions = 0644);
    void add_directory(const std::string& path);
    void add_link(const std::string& path, const std::string& target);
    void add_character_device(const std::string& path, u32 major, u32 minor);

    /// The archive, entries sorted by name, folders before what is in them.
    [[nodiscard]] std::vector<u8> encode() const;

  private:
    struct Entry {
        u32 mode{0};
        u32 major{0};
        u32 minor{0};
        std::vector<u8> content;
    };
    void add(const std::string& path, Entry entry);

    std::map<std::string, Entry> entries_;
};

} // namespace ravelin::tools

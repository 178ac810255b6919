// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/image/cpio.hpp"

#include <array>
#include <cstdio>
#include <sys/stat.h>

namespace ravelin::tools {
namespace {

void pad_to_word(std::vector<u8>& out) {
    while (out.size() % 4 != 0)
        out.push_back(0);
}

void append_entry(std::vector<u8>& out,
                  const std::string& name,
                  u32 inode,
                  u32 mode,
                  u32 links,
                  u32 major,
                  u32 minor,
                  std::span<const u8> content) {
    // Magic, then 13 numbers of 8 digits: inode, mode, owner, group, links, time, size, device,
    // device number, name size, checksum.
    std::array<char, 6 + 13 * 8 + 1> header{};
    std::snprintf(header.data(),
                  header.size(),
                  "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
                  inode,
                  mode,
                  0U,
                  0U,
                  links,
                  0U,
                  static_cast<u32>(content.size()),
                  0U,
                  0U,
                  major,
                  minor,
                  static_cast<u32>(name.size() + 1),
                  0U);
    out.insert(out.end(), header.begin(), header.end() - 1);
    out.insert(out.end(), name.begin(), name.end());
    out.push_back(0);
    pad_to_word(out);
    out.insert(out.end(), content.begin(), content.end());
    pad_to_word(out);
}

std::vector<u8> bytes_of(const std::string& text) {
    return {text.begin(), text.end()};
}

} // namespace

void CpioArchive::add(const std::string& path, Entry entry) {
    const std::string name = path.substr(path.find_first_not_of('/'));
    for (std::size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1))
        entries_.try_emplace(name.substr(0, slash), Entry{S_IFDIR | 0755, 0, 0, {}});
    entries_.insert_or_assign(name, std::move(entry));
}

void CpioArchive::add_file(const std::string& path, std::vector<u8> content, u32 permissions) {
    add(path, Entry{S_IFREG | permissions, 0, 0, std::move(content)});
}

void CpioArchive::add_directory(const std::string& path) {
    add(path, Entry{S_IFDIR | 0755, 0, 0, {}});
}

void CpioArchive::add_link(const std::string& path, const std::string& target) {
    add(path, Entry{S_IFLNK | 0777, 0, 0, bytes_of(target)});
}

void CpioArchive::add_character_device(const std::string& path, u32 major, u32 minor) {
    add(path, Entry{S_IFCHR | 0600, major, minor, {}});
}

std::vector<u8> CpioArchive::encode() const {
    std::vector<u8> out;
    u32 inode = 1;
    for (const auto& [name, entry] : entries_) {
        const u32 links = S_ISDIR(entry.mode) ? 2 : 1;
        append_entry(
            out, name, inode++, entry.mode, links, entry.major, entry.minor, entry.content);
    }
    append_entry(out, "TRAILER!!!", 0, 0, 1, 0, 0, {});
    return out;
}

} // namespace ravelin::tools

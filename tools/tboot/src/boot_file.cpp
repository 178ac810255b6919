// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/tboot/boot_file.hpp"

#include <array>
#include <zlib.h>

namespace ravelin::tools::tboot {

Result<std::vector<u8>, std::string> read_boot_file(const std::filesystem::path& path) {
    const gzFile file =
        std::filesystem::is_regular_file(path) ? ::gzopen(path.c_str(), "rbe") : nullptr;
    if (file == nullptr)
        return Failure{path.string() + ": no such file"};
    std::vector<u8> content;
    std::array<u8, 65536> piece{};
    int got = 0;
    while ((got = ::gzread(file, piece.data(), piece.size())) > 0)
        content.insert(content.end(), piece.begin(), piece.begin() + got);
    if (::gzclose(file) != Z_OK || got < 0)
        return Failure{path.string() + ": the gzip file is damaged"};
    return content;
}

} // namespace ravelin::tools::tboot

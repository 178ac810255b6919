// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/demo/tamper.hpp"

#include <tools/server/error.hpp>
#include <tools/server/process.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <vector>

namespace ravelin::demo {
namespace {

using tools::ServerError;

constexpr u8 letter_case = 0x20; // the one bit between 'a' and 'A'

std::string decode_base64(std::string text) {
    const auto padding = std::count(text.begin(), text.end(), '=');
    std::vector<unsigned char> out(text.size());
    // SAFETY: OpenSSL takes text as unsigned bytes.
    const int size = EVP_DecodeBlock(out.data(),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    if (size < padding)
        throw ServerError{"the captured evidence holds bad base64"};
    return {out.begin(), out.begin() + (size - padding)};
}

std::string encode_base64(const std::string& bytes) {
    std::vector<unsigned char> out(4 * ((bytes.size() + 2) / 3) + 1);
    // SAFETY: as above.
    const int size = EVP_EncodeBlock(out.data(),
                                     reinterpret_cast<const unsigned char*>(bytes.data()),
                                     static_cast<int>(bytes.size()));
    return {out.begin(), out.begin() + size};
}

void flip(std::string& content, std::size_t offset, u8 mask) {
    content.at(offset) = static_cast<char>(static_cast<u8>(content[offset]) ^ mask);
}

std::size_t last_character(const std::string& content, std::string_view text) {
    const std::size_t found = content.find(text);
    if (found == std::string::npos)
        throw ServerError{"nothing to tamper with: '" + std::string{text} + "' is not there"};
    return found + text.size() - 1;
}

} // namespace

std::optional<BitFlip> file_flip(Tamper tamper) {
    switch (tamper) {
    case Tamper::hypervisor: // its banner
        return BitFlip{"Ravelin", letter_case};
    case Tamper::kernel: // linux_banner
        return BitFlip{"Linux version", letter_case};
    case Tamper::initrd: // a comment of the init script
        return BitFlip{"# The first program", letter_case};
    case Tamper::cmdline: // the name that the agent reports
        return BitFlip{"ravelin.host=demo", 0x01};
    case Tamper::manifest: // the platform's name
        return BitFlip{"Emulated platform", letter_case};
    default:
        return std::nullopt;
    }
}

std::size_t flip_bit(const std::filesystem::path& file, const BitFlip& bit) {
    std::string content = tools::read_text_file(file);
    const std::size_t offset = last_character(content, bit.text);
    flip(content, offset, bit.mask);
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << content;
    if (!out.flush())
        throw ServerError{"cannot write " + file.string()};
    return offset;
}

std::string tampered_evidence(const std::string& evidence, Tamper tamper) {
    nlohmann::json json = nlohmann::json::parse(evidence);
    nlohmann::json& piece = tamper == Tamper::log ? json["logs"]["firmware"] : json["quote"];
    std::string bytes = decode_base64(piece.get<std::string>());
    // In the log: in the text of GRUB's command. In the quote: in its clock, which nothing but the
    // signature guards.
    const std::size_t offset =
        tamper == Tamper::log ? last_character(bytes, "module2 /dom0.kernel") : bytes.size() / 2;
    flip(bytes, offset, 0x01);
    piece = encode_base64(bytes);
    return json.dump();
}

} // namespace ravelin::demo

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/txt/packet.hpp"

#include <charconv>

namespace ravelin::tools::txt {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr char escape = '}';
constexpr u8 escaped_by = 0x20;

u8 checksum(std::string_view raw) {
    unsigned sum = 0;
    for (const char c : raw)
        sum += static_cast<u8>(c);
    return static_cast<u8>(sum);
}

std::string hex_byte(u8 value) {
    return {digits[value >> 4], digits[value & 15]};
}

} // namespace

std::string encode_packet(std::string_view body) {
    std::string raw;
    for (const char c : body) {
        if (c == '$' || c == '#' || c == '*' || c == escape) {
            raw += escape;
            raw += static_cast<char>(static_cast<u8>(c) ^ escaped_by);
        } else {
            raw += c;
        }
    }
    return "$" + raw + "#" + hex_byte(checksum(raw));
}

std::optional<std::string> PacketReader::next() {
    while (true) {
        const std::size_t start = pending_.find('$');
        if (start == std::string::npos) {
            pending_.clear();
            return std::nullopt;
        }
        pending_.erase(0, start);
        const std::size_t end = pending_.find('#');
        if (end == std::string::npos || pending_.size() < end + 3)
            return std::nullopt;
        const std::string raw = pending_.substr(1, end - 1);
        const bool good = pending_.substr(end + 1, 2) == hex_byte(checksum(raw));
        pending_.erase(0, end + 3);
        if (!good) {
            ++dropped_;
            continue;
        }
        std::string body;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            if (raw[i] == escape && i + 1 < raw.size())
                body += static_cast<char>(static_cast<u8>(raw[++i]) ^ escaped_by);
            else
                body += raw[i];
        }
        return body;
    }
}

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes)
        text += hex_byte(byte);
    return text;
}

std::optional<u64> parse_hex_number(std::string_view text) {
    u64 value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
    if (text.empty() || error != std::errc{} || stop != end)
        return std::nullopt;
    return value;
}

std::optional<std::vector<u8>> from_hex(std::string_view text) {
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::vector<u8> bytes;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto byte = parse_hex_number(text.substr(i, 2));
        if (!byte)
            return std::nullopt;
        bytes.push_back(static_cast<u8>(*byte));
    }
    return bytes;
}

std::string hex_number(u64 value) {
    char text[16];
    const auto [end, error] = std::to_chars(text, text + sizeof(text), value, 16);
    return error == std::errc{} ? std::string{text, end} : std::string{};
}

std::optional<StopReply> parse_stop(std::string_view packet) {
    if (packet.size() < 3 || (packet[0] != 'T' && packet[0] != 'S'))
        return std::nullopt;
    const auto signal = parse_hex_number(packet.substr(1, 2));
    if (!signal)
        return std::nullopt;
    StopReply reply;
    reply.signal = static_cast<unsigned>(*signal);
    packet.remove_prefix(3);
    while (!packet.empty()) {
        const std::string_view field = packet.substr(0, packet.find(';'));
        packet.remove_prefix(field.size() == packet.size() ? field.size() : field.size() + 1);
        const std::size_t colon = field.find(':');
        if (colon == std::string_view::npos)
            continue;
        const auto value = parse_hex_number(field.substr(colon + 1));
        if (field.substr(0, colon) == "thread") {
            if (!value || *value == 0)
                return std::nullopt;
            reply.processor = static_cast<unsigned>(*value - 1);
        } else if (field.substr(0, colon) == "watch") {
            if (!value)
                return std::nullopt;
            reply.written = value;
        }
    }
    return reply;
}

} // namespace ravelin::tools::txt

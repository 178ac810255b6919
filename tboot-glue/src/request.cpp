// SPDX-License-Identifier: Apache-2.0
#include "tboot/request.hpp"

namespace ravelin::tboot {
namespace {

constexpr std::string_view page_word = "tboot=";
constexpr std::string_view launch_word = "launch=";

/// "0x" and one to sixteen hexadecimal digits.
std::optional<u64> hexadecimal(std::string_view text) {
    if (text.size() < 3 || text.size() > 18 || text[0] != '0' || (text[1] | 0x20) != 'x')
        return std::nullopt;
    u64 value = 0;
    for (const char c : text.substr(2)) {
        const char lower = static_cast<char>(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value << 4 | static_cast<u64>(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value << 4 | static_cast<u64>(lower - 'a' + 10);
        else
            return std::nullopt;
    }
    return value;
}

void take_word(std::string_view word, Request& request) {
    if (word.starts_with(page_word)) {
        const auto address = hexadecimal(word.substr(page_word.size()));
        if (request.shared_page)
            request.problem = "tboot= stands on the command line twice";
        else if (!address)
            request.problem = "tboot= is followed by no address";
        request.shared_page = HostPhysical{address.value_or(0)};
    } else if (word == "launch=drtm") {
        if (request.asked == Asked::nothing)
            request.asked = Asked::drtm;
    } else if (word == "launch=drtm-or-stop") {
        request.asked = Asked::drtm_or_stop;
    } else if (word.starts_with(launch_word)) {
        request.problem = "launch= asks for a kind of launch that is not known";
    }
}

} // namespace

Request parse_request(std::string_view command_line) {
    Request request{};
    for (usize start = 0; start < command_line.size();) {
        usize end = start;
        while (end < command_line.size() && command_line[end] != ' ')
            ++end;
        take_word(command_line.substr(start, end - start), request);
        start = end + 1;
    }
    return request;
}

} // namespace ravelin::tboot

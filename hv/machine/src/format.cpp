// SPDX-License-Identifier: Apache-2.0
// Formatting numbers and text into a sink.
#include "hv/machine/format.hpp"

#include <array>

namespace ravelin::hv::machine {
namespace {

void put_text(TextSink& sink, std::string_view text) {
    for (const char c : text)
        sink.put(c);
}

void put_number(TextSink& sink, u64 number, u64 base) {
    std::array<char, 20> digits{};
    usize at = digits.size();
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    put_text(sink, {digits.data() + at, digits.size() - at});
}

} // namespace

void FormatArgument::write_decimal(TextSink& sink) const {
    if (kind_ == Kind::text)
        return put_text(sink, text_);
    if (kind_ == Kind::signed_number && static_cast<i64>(number_) < 0) {
        sink.put('-');
        return put_number(sink, u64{0} - number_, 10);
    }
    put_number(sink, number_, 10);
}

void FormatArgument::write_hexadecimal(TextSink& sink) const {
    if (kind_ == Kind::text)
        return put_text(sink, text_);
    put_text(sink, "0x");
    put_number(sink, number_, 16);
}

void format_to(TextSink& sink, std::string_view format, std::span<const FormatArgument> arguments) {
    usize next = 0;
    while (!format.empty()) {
        const bool decimal = format.starts_with("{}");
        const bool hexadecimal = format.starts_with("{x}");
        if (!decimal && !hexadecimal) {
            sink.put(format.front());
            format.remove_prefix(1);
            continue;
        }
        format.remove_prefix(decimal ? 2 : 3);
        if (next == arguments.size())
            put_text(sink, "{?}");
        else if (decimal)
            arguments[next++].write_decimal(sink);
        else
            arguments[next++].write_hexadecimal(sink);
    }
}

} // namespace ravelin::hv::machine

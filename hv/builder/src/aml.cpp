// SPDX-License-Identifier: Apache-2.0
// AML encoding. [ACPI 6.4 20.2]
#include "aml.hpp"

namespace ravelin::hv::builder {
namespace {

constexpr u8 op_name = 0x08;
constexpr u8 op_dword = 0x0c;
constexpr u8 op_scope = 0x10;
constexpr u8 op_buffer = 0x11;
constexpr u8 op_extended = 0x5b;
constexpr u8 op_device = 0x82;
constexpr u8 root_character = 0x5c;

u8 hex_digit(char c) {
    return static_cast<u8>(c <= '9' ? c - '0' : c - 'A' + 10);
}

} // namespace

u32 eisa_id(std::string_view id) {
    // Three letters of five bits, four hexadecimal digits, big-endian. [ACPI 6.4 19.3.4]
    const u32 letters = static_cast<u32>(((id[0] - '@') & 31) << 10 | ((id[1] - '@') & 31) << 5 |
                                         ((id[2] - '@') & 31));
    const u32 digits = static_cast<u32>(hex_digit(id[3]) << 12 | hex_digit(id[4]) << 8 |
                                        hex_digit(id[5]) << 4 | hex_digit(id[6]));
    return __builtin_bswap32(letters << 16 | digits);
}

void AmlWriter::put_name(std::string_view name) {
    for (const char c : name)
        out_.integer(static_cast<u8>(c));
}

usize AmlWriter::open_package() {
    const usize at = out_.offset();
    out_.integer(u32{0});
    return at;
}

usize AmlWriter::open_scope(std::string_view name) {
    out_.integer(op_scope);
    const usize package = open_package();
    out_.integer(root_character);
    put_name(name);
    return package;
}

usize AmlWriter::open_device(std::string_view name) {
    out_.integer(op_extended).integer(op_device);
    const usize package = open_package();
    put_name(name);
    return package;
}

void AmlWriter::close(usize package) {
    // PkgLength of four bytes: the lead byte has the count of the others and the low nibble.
    // [ACPI 6.4 20.2.4]
    const usize length = out_.offset() - package;
    const u32 encoded =
        static_cast<u32>(0xc0 | (length & 0xf) | ((length >> 4) & 0xff) << 8 |
                         ((length >> 12) & 0xff) << 16 | ((length >> 20) & 0xff) << 24);
    out_.patch<u32>(package, encoded);
}

void AmlWriter::name_integer(std::string_view name, u32 value) {
    out_.integer(op_name);
    put_name(name);
    out_.integer(op_dword).integer(value);
}

void AmlWriter::name_sleep_type(std::string_view name, u8 type) {
    constexpr u8 op_package = 0x12;
    constexpr u8 op_byte = 0x0a;
    constexpr u8 op_zero = 0x00;
    out_.integer(op_name);
    put_name(name);
    out_.integer(op_package);
    const usize package = open_package();
    out_.integer(u8{4});
    out_.integer(op_byte).integer(type).integer(op_byte).integer(type).integer(op_zero).integer(
        op_zero);
    close(package);
}

void AmlWriter::name_eisa_id(std::string_view name, std::string_view id) {
    name_integer(name, eisa_id(id));
}

void AmlWriter::name_buffer(std::string_view name, std::span<const u8> bytes) {
    out_.integer(op_name);
    put_name(name);
    out_.integer(op_buffer);
    const usize package = open_package();
    out_.integer(op_dword).integer(static_cast<u32>(bytes.size()));
    out_.bytes(bytes);
    close(package);
}

} // namespace ravelin::hv::builder

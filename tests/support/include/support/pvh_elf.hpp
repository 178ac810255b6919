// SPDX-License-Identifier: Apache-2.0
// A small PVH kernel as an ELF file, for tests to build and to break.
#pragma once

#include <base/types.hpp>

#include <string_view>
#include <vector>

namespace ravelin::test {

struct PvhElf {
    u32 entry = 0x10'0010;
    u64 address = 0x10'0000;
    u64 extra_memory = 0x100; ///< of the segment, beyond its bytes
    std::vector<u8> code = std::vector<u8>(64, u8{0x90});

    static constexpr usize header_size = 64;
    static constexpr usize program_header_size = 56;
    static constexpr usize note_offset = header_size + 2 * program_header_size;
    static constexpr usize note_size = 20;
    static constexpr usize code_offset = note_offset + note_size;

    [[nodiscard]] std::vector<u8> file() const {
        std::vector<u8> out;
        const auto put = [&out](u64 value, usize bytes) {
            for (usize i = 0; i < bytes; ++i)
                out.push_back(static_cast<u8>(value >> 8 * i));
        };
        const auto put_text = [&out](std::string_view text) {
            out.insert(out.end(), text.begin(), text.end());
        };
        put_text("\x7f"
                 "ELF\x02\x01\x01");
        out.resize(16);
        put(2, 2);
        put(62, 2);
        put(1, 4);
        put(entry, 8);
        put(header_size, 8);
        put(0, 8); // section headers
        put(0, 4); // flags
        put(header_size, 2);
        put(program_header_size, 2);
        put(2, 2);
        out.resize(header_size);
        const auto program = [&](u32 type, u64 offset, u64 at, u64 in_file, u64 in_memory) {
            put(type, 4);
            put(7, 4);
            put(offset, 8);
            put(at, 8);
            put(at, 8);
            put(in_file, 8);
            put(in_memory, 8);
            put(4, 8);
        };
        program(1, code_offset, address, code.size(), code.size() + extra_memory);
        program(4, note_offset, 0, note_size, note_size);
        put(4, 4);
        put(4, 4);
        put(18, 4);
        put_text(std::string_view{"Xen\0", 4});
        put(entry, 4);
        out.insert(out.end(), code.begin(), code.end());
        return out;
    }
};

} // namespace ravelin::test

// SPDX-License-Identifier: Apache-2.0
// Look-up in the sorted table that the second link pass puts into the image (tools/symbols.sh).
#include "hv/machine/symbols.hpp"

#include <base/fixed_vector.hpp>

#include <algorithm>
#include <span>

// The table: ravelin_symbol_count entries sorted by address, names in ravelin_symbol_names. The
// first pass links an empty one.
struct RavelinSymbolEntry {
    ravelin::u32 address;
    ravelin::u32 name_offset;
};
extern "C" const ravelin::u32 ravelin_symbol_count;
extern "C" const RavelinSymbolEntry ravelin_symbols[];
extern "C" const char ravelin_symbol_names[];
extern "C" const ravelin::u8 ravelin_text_start[];
extern "C" const ravelin::u8 ravelin_text_end[];
extern "C" const ravelin::u8 ravelin_data_start[];
extern "C" const ravelin::u8 ravelin_image_end[];

namespace ravelin::hv::machine {
namespace {

struct Stack {
    u64 bottom{};
    u64 top{};
};
// Written while CPUs are brought up; read in a panic.
FixedVector<Stack, 256> stacks;

u64 value(const u8* symbol) {
    // SAFETY: linker symbols are addresses, never read.
    return reinterpret_cast<u64>(symbol);
}

} // namespace

Symbol find_symbol(u64 address) {
    if (address < value(ravelin_text_start) || address >= value(ravelin_text_end))
        return {};
    const std::span<const RavelinSymbolEntry> entries{ravelin_symbols, ravelin_symbol_count};
    const auto after = std::upper_bound(
        entries.begin(), entries.end(), address, [](u64 a, const RavelinSymbolEntry& e) {
            return a < e.address;
        });
    if (after == entries.begin())
        return {};
    const RavelinSymbolEntry& entry = *(after - 1);
    const char* name = ravelin_symbol_names + entry.name_offset;
    usize length = 0;
    while (name[length] != 0)
        ++length;
    return {{name, length}, entry.address};
}

void register_stack(HostVirtual bottom, HostVirtual top) {
    ensure(stacks.push_back({bottom.raw(), top.raw()}), "more stacks than CPUs can have");
}

bool is_stack_address(u64 address) {
    if (address >= value(ravelin_data_start) && address + 16 <= value(ravelin_image_end))
        return true;
    return std::any_of(stacks.begin(), stacks.end(), [address](const Stack& stack) {
        return address >= stack.bottom && address + 16 <= stack.top;
    });
}

} // namespace ravelin::hv::machine

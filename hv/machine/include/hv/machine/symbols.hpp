// SPDX-License-Identifier: Apache-2.0
// The image's own symbol table, made in two link passes, for traces; and what addresses are stacks.
#pragma once

#include <base/types.hpp>

#include <string_view>

namespace ravelin::hv::machine {

struct Symbol {
    std::string_view name{}; ///< empty when unknown
    u64 address{};
};
/// The function that an address of code belongs to.
[[nodiscard]] Symbol find_symbol(u64 address);

/// Whether 16 bytes at an address lie in the image's data or in a stack that was registered.
[[nodiscard]] bool is_stack_address(u64 address);
void register_stack(HostVirtual bottom, HostVirtual top);

} // namespace ravelin::hv::machine

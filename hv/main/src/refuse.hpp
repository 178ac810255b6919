// SPDX-License-Identifier: Apache-2.0
// How start-up says no.
#pragma once

#include <string_view>

namespace ravelin::hv {

/// Nothing runs after this: the operator reads why, and resets.
[[noreturn]] void refuse(std::string_view what, std::string_view why);

} // namespace ravelin::hv

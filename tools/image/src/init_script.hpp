// SPDX-License-Identifier: Apache-2.0
// The text of init.sh, put in by the build.
#pragma once

#include <string_view>

namespace ravelin::tools {

extern const std::string_view init_script;

} // namespace ravelin::tools

// SPDX-License-Identifier: Apache-2.0
// The texts of guest_init.sh and guests.sh.
#pragma once

#include <string_view>

namespace ravelin::demo {

extern const std::string_view guest_init_script;
extern const std::string_view domain0_guests_script;

} // namespace ravelin::demo

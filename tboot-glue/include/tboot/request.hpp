// SPDX-License-Identifier: Apache-2.0
// What the command line says of the launch: where tboot left its page, and which kind of launch
// the operator asked for. It claims; registers, heap and TPM decide.
#pragma once

#include <base/types.hpp>

#include <optional>
#include <string_view>

namespace ravelin::tboot {

enum class Asked : u8 {
    nothing,      ///< whatever it was will be found out
    drtm,         ///< launch=drtm: anything else runs on capped and UNMEASURED
    drtm_or_stop, ///< launch=drtm-or-stop: anything else starts no domain
};

struct Request {
    Asked asked{};
    std::optional<HostPhysical> shared_page{};
    /// Why the words cannot be followed: fails the dynamic launch, never forgotten.
    std::optional<std::string_view> problem{};
    /// A dynamic launch is claimed or asked for: without one the launch is UNMEASURED.
    [[nodiscard]] bool wants_dynamic() const {
        return asked != Asked::nothing || shared_page || problem;
    }
};

/// tboot appends " tboot=0x…" to the command line of what it launches; a second one is nobody's.
[[nodiscard]] Request parse_request(std::string_view command_line);

} // namespace ravelin::tboot

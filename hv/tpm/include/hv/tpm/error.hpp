// SPDX-License-Identifier: Apache-2.0
// What can go wrong with a TPM command, with enough in it for a sentence that names the command and
// the TPM's own word for the failure.
#pragma once

#include <hv/tpm/text.hpp>
#include <hv/tpm/transport.hpp>
#include <wire/tpm.hpp>

namespace ravelin::hv::tpm {

struct TpmError {
    enum class Kind : u8 {
        transport, ///< the command or the response did not get through
        malformed, ///< the response cannot be what the command asked for
        refused,   ///< the TPM answered with a response code
        too_large, ///< the command does not fit the interface
    };
    Kind kind;
    TransportError transport{}; ///< of Kind::transport
    u32 code{};                 ///< of Kind::refused
    wire::tpm::CommandCode command{};

    [[nodiscard]] Text describe() const;
};

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// Writes one command and takes one response apart. [TPM 2.0 part 1, 18]
#pragma once

#include "hv/tpm/error.hpp"

#include <base/cursor.hpp>

namespace ravelin::hv::tpm {

/// Builds a command in place: handles, then one authorisation a handle that wants it, then
/// parameters.
class CommandWriter {
  public:
    CommandWriter(std::span<u8> buffer, wire::tpm::CommandCode code, wire::tpm::Tag tag)
        : writer_{buffer}, code_{code} {
        writer_.integer(static_cast<u16>(tag)).integer(u32{0}).integer(static_cast<u32>(code));
    }
    CommandWriter& handle(wire::tpm::Handle handle) {
        writer_.integer(handle.raw());
        return *this;
    }
    /// The empty password: what a TPM nobody took ownership of wants.
    CommandWriter& empty_password() { return authorise(wire::tpm::password_session); }
    /// A policy session that asks for no HMAC, kept alive or ended by the command.
    CommandWriter& authorise(wire::tpm::Handle session) {
        constexpr u32 area = 4 + 2 + 1 + 2;
        writer_.integer(area).integer(session.raw()).integer(u16{0}).integer(u8{0}).integer(u16{0});
        return *this;
    }
    template <std::unsigned_integral T> CommandWriter& integer(T value) {
        writer_.integer(value);
        return *this;
    }
    CommandWriter& bytes(std::span<const u8> bytes) {
        writer_.bytes(bytes);
        return *this;
    }
    /// A TPM2B: 16 bits of size, then the bytes.
    CommandWriter& sized(std::span<const u8> bytes) {
        writer_.integer(static_cast<u16>(bytes.size())).bytes(bytes);
        return *this;
    }
    [[nodiscard]] wire::tpm::CommandCode code() const { return code_; }
    [[nodiscard]] Result<std::span<const u8>, TpmError> finish() {
        writer_.patch(2, static_cast<u32>(writer_.offset()));
        const auto command = writer_.finish();
        if (!command.is_ok())
            return Failure{TpmError{.kind = TpmError::Kind::too_large, .command = code_}};
        return command.value();
    }

  private:
    BigWriter writer_;
    wire::tpm::CommandCode code_;
};

} // namespace ravelin::hv::tpm

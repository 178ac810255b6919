// SPDX-License-Identifier: Apache-2.0
// Reads a successful response front to back; each step's failure is `malformed` of its command.
#pragma once

#include "command.hpp"
#include "hv/tpm/tpm.hpp"

namespace ravelin::hv::tpm {

class Tpm::Response {
  public:
    [[nodiscard]] static Result<Response, TpmError> of(std::span<const u8> bytes,
                                                       wire::tpm::CommandCode code) {
        Response response{bytes, code};
        (void)RAVELIN_TRY(response.integer<u16>());
        (void)RAVELIN_TRY(response.integer<u32>());
        (void)RAVELIN_TRY(response.integer<u32>());
        return response;
    }

    [[nodiscard]] TpmError malformed() const {
        return {.kind = TpmError::Kind::malformed, .command = code_};
    }
    template <std::unsigned_integral T> [[nodiscard]] Result<T, TpmError> integer() {
        const auto value = reader_.integer<T>();
        if (!value.is_ok())
            return Failure{malformed()};
        return value.value();
    }
    [[nodiscard]] Result<std::span<const u8>, TpmError> bytes(usize n) {
        const auto value = reader_.bytes(n);
        if (!value.is_ok())
            return Failure{malformed()};
        return value.value();
    }
    [[nodiscard]] Result<std::span<const u8>, TpmError> sized() {
        const u16 size = RAVELIN_TRY(integer<u16>());
        return bytes(size);
    }
    [[nodiscard]] Result<wire::tpm::Handle, TpmError> handle() {
        return wire::tpm::Handle{RAVELIN_TRY(integer<u32>())};
    }
    /// Steps into the parameters of a response to one authorisation, whose area ends it.
    [[nodiscard]] Status<TpmError> parameters() {
        const u32 size = RAVELIN_TRY(integer<u32>());
        const auto area = RAVELIN_TRY(bytes(size));
        (void)RAVELIN_TRY(sized()); // nonce
        (void)RAVELIN_TRY(integer<u8>());
        (void)RAVELIN_TRY(sized()); // HMAC
        (void)RAVELIN_TRY(expect_end());
        reader_ = BigReader{area};
        return Unit{};
    }
    /// TPML_PCR_SELECTION of one SHA-256 bank.
    [[nodiscard]] Result<PcrSet, TpmError> selection() {
        const u32 count = RAVELIN_TRY(integer<u32>());
        if (count != 1)
            return Failure{malformed()};
        const auto algorithm = static_cast<wire::tpm::Algorithm>(RAVELIN_TRY(integer<u16>()));
        const u8 size = RAVELIN_TRY(integer<u8>());
        const auto bits = RAVELIN_TRY(bytes(size));
        if (algorithm != wire::tpm::Algorithm::sha256 || size > 4)
            return Failure{malformed()};
        u32 set = 0;
        for (usize i = 0; i < bits.size(); ++i)
            set |= u32{bits[i]} << (8 * i);
        return PcrSet{set};
    }
    [[nodiscard]] Result<std::span<const u8>, TpmError> rest() {
        return bytes(reader_.remaining());
    }
    [[nodiscard]] Status<TpmError> expect_end() const {
        if (!reader_.expect_end().is_ok())
            return Failure{malformed()};
        return Unit{};
    }

  private:
    Response(std::span<const u8> bytes, wire::tpm::CommandCode code)
        : reader_{bytes}, code_{code} {}

    BigReader reader_;
    wire::tpm::CommandCode code_;
};

/// TPML_PCR_SELECTION: the SHA-256 bank, PCR 0-23.
inline void write_selection(CommandWriter& writer, PcrSet set) {
    writer.integer(u32{1}).integer(static_cast<u16>(wire::tpm::Algorithm::sha256)).integer(u8{3});
    for (unsigned shift = 0; shift < 24; shift += 8)
        writer.integer(static_cast<u8>(set.raw() >> shift));
}

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// How a command reaches a TPM and its response comes back, one at a time. The TIS driver implements
// it; the tests also put a software TPM straight behind it.
#pragma once

#include <base/result.hpp>
#include <base/types.hpp>

#include <span>
#include <string_view>

namespace ravelin::hv::tpm {

/// Everything that can go wrong between the first register access and the last byte of a response.
enum class TransportError : u8 {
    absent,             ///< nothing answers at the interface's address
    not_tpm2,           ///< a TPM 1.2, or another interface than FIFO is active
    locality_timeout,   ///< the locality was not granted within TIMEOUT_A
    locality_lost,      ///< another locality took the TPM away
    ready_timeout,      ///< commandReady did not come within TIMEOUT_B
    burst_timeout,      ///< burstCount stayed zero for TIMEOUT_A
    valid_timeout,      ///< stsValid did not come within TIMEOUT_C
    expect_early,       ///< the TPM wanted no more bytes before the command's end
    expect_late,        ///< the TPM wanted more bytes than the command has
    response_timeout,   ///< no response within the command's time, even after a cancel
    response_short,     ///< dataAvail went away inside the response
    response_long,      ///< dataAvail stayed after the last byte
    response_malformed, ///< the response's size field cannot be
    response_overflow,  ///< the response does not fit the buffer
    command_malformed,  ///< our command's size field does not match its length
    cancelled,          ///< the command was cancelled and had no response to give
    busy,               ///< a command is already on its way
    idle,               ///< no command is on its way
};

[[nodiscard]] std::string_view name(TransportError error);

enum class Progress : u8 { executing, complete };

/// How long a command may take before it is cancelled.
enum class Patience : u8 {
    prompt,  ///< anything that makes no key: 10 s, above all of PTP's durations
    patient, ///< key generation: minutes on real TPMs
};

class Transport {
  public:
    /// The largest command or response of a PC Client TPM. [PTP 4.2, TPM_PT_MAX_COMMAND_SIZE]
    static constexpr usize max_size = 4096;

    /// Hands a whole command over. The TPM starts on it.
    [[nodiscard]] virtual Status<TransportError> start(std::span<const u8> command) = 0;
    /// Looks once whether the response is there.
    [[nodiscard]] virtual Result<Progress, TransportError> poll() = 0;
    /// Takes the response of a completed command; a view into `buffer`.
    [[nodiscard]] virtual Result<std::span<const u8>, TransportError>
    finish(std::span<u8> buffer) = 0;
    /// Asks the TPM to give the command up. It answers TPM_RC_CANCELED, or with the response if it
    /// was done: poll() and finish() go on as ever.
    [[nodiscard]] virtual Status<TransportError> cancel() = 0;

    /// The locality that commands are sent at from now on. No command may be on its way.
    [[nodiscard]] virtual Status<TransportError> use(Locality locality) = 0;

    /// start(), poll() with time-out and cancel, finish(). Spins; never halts.
    [[nodiscard]] virtual Result<std::span<const u8>, TransportError>
    transact(std::span<const u8> command, std::span<u8> buffer, Patience patience) = 0;

  protected:
    ~Transport() = default;
};

} // namespace ravelin::hv::tpm

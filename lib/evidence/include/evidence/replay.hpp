// SPDX-License-Identifier: Apache-2.0
// From an event log to the PCR values it claims, in the SHA-256 bank: the only bank any decision
// rests on. A replayed log proves nothing until its values equal the TPM's, or a quote's.
#pragma once

#include <crypto/sha.hpp>
#include <wire/tcg_log.hpp>

#include <array>

namespace ravelin::evidence {

constexpr usize pcr_count = 24;
using PcrValue = crypto::Sha256::Digest;

/// SHA-256 PCR values, by PCR number.
using PcrBank = std::array<PcrValue, pcr_count>;

/// The values after a start without a dynamic launch: 17-22 are all ones. [PTP 4.6.2]
[[nodiscard]] PcrBank initial_pcrs();

/// The values right after a dynamic launch: it sets 17-22 to zero. [PTP 4.6.2]
[[nodiscard]] PcrBank dynamic_launch_pcrs();

/// PCR := SHA-256(PCR ‖ digest).
void extend(PcrValue& pcr, std::span<const u8> digest);

struct ReplayError {
    enum class Kind : u8 {
        malformed, ///< `log` says how
        no_sha256, ///< the log has no SHA-256 digests
    };
    Kind kind{};
    wire::LogError log{};
};

struct Replay {
    PcrBank values;
    u32 extended = 0; ///< bit n: PCR n was extended by at least one event
    u32 events = 0;
};

/// Extends `from` by every event of the log. EV_NO_ACTION extends nothing; its StartupLocality
/// event sets PCR 0's first value. [PFP 10.4.5.3]
[[nodiscard]] Result<Replay, ReplayError>
replay(std::span<const u8> log,
       const PcrBank& from,
       wire::LogDigests digests = wire::LogDigests::every);

} // namespace ravelin::evidence

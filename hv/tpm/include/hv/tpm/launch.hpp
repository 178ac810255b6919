// SPDX-License-Identifier: Apache-2.0
// The launch verdict: measured or not, decided here and nowhere else, from the TPM and the
// firmware's log. After that it can only get worse.
#pragma once

#include <hv/tpm/tpm.hpp>
#include <wire/statement.hpp>

#include <evidence/replay.hpp>
#include <optional>

namespace ravelin::hv::tpm {

/// Why a launch counts as unmeasured.
enum class Unmeasured : u8 {
    no_tpm,          ///< nothing usable answers as a TPM 2.0
    tpm_failed,      ///< a command the decision needs failed
    no_sha256_bank,  ///< the only bank anything rests on is off
    firmware_silent, ///< the firmware did not start the TPM, so it measured nothing
    no_log,          ///< the loader hands over no log: it measures nothing
    log_truncated,   ///< the firmware ran out of room for events
    log_malformed,
    log_mismatch,       ///< the log does not replay to the TPM's PCRs
    not_in_log,         ///< no event says that the loader measured the hypervisor
    no_dynamic_launch,  ///< DRTM was asked for, and tboot, registers, heap or log deny it
    dynamic_pcrs,       ///< PCR 17-19 are not as a dynamic launch leaves them
    measurement_failed, ///< measuring what is started went wrong
};

class LaunchVerdict {
  public:
    [[nodiscard]] wire::Launch launch() const { return launch_; }
    /// A sentence; empty for a measured launch.
    [[nodiscard]] std::string_view reason() const { return reason_.view(); }
    [[nodiscard]] std::optional<Unmeasured> cause() const { return cause_; }
    /// From now on unmeasured; the first cause stays.
    void downgrade(Unmeasured cause, const Text& reason);

  private:
    friend LaunchVerdict decide_launch(const struct LaunchFacts& facts);
    LaunchVerdict() = default;

    wire::Launch launch_{wire::Launch::unmeasured};
    std::optional<Unmeasured> cause_;
    Text reason_;
};

/// What is known of a dynamic launch before the TPM was asked. [tboot-glue]
struct DynamicLaunch {
    /// tboot left its page, or the operator asked: then it is DRTM or UNMEASURED, nothing else.
    bool wanted = false;
    /// Why there was none, as far as memory and registers tell.
    std::optional<Text> problem{};
    std::span<const u8> log{}; ///< of SINIT and tboot
};

/// What the decision rests on.
struct LaunchFacts {
    std::optional<Text> tpm_problem; ///< there is no TPM, or it failed
    bool has_tpm = false;
    Startup startup{Startup::by_us};
    bool has_sha256_bank = false;
    const PcrValues* pcrs = nullptr; ///< at least PCR 0-9 and 17-19
    DynamicLaunch dynamic;
    std::optional<std::span<const u8>> firmware_log;
    bool log_truncated = false;
};

/// DRTM only when tboot's page, the heap and the registers agree, PCR 17 and 18 are what the log of
/// SINIT and tboot replays to, and PCR 19 is as the launch left it. SRTM only when the log replays
/// to PCR 0-9 and PCR 9 holds a file of the loader's with "ravelin" in its name. Which bytes that
/// file had is for the verifier to judge: it has the digest.
[[nodiscard]] LaunchVerdict decide_launch(const LaunchFacts& facts);

/// PCRs that the firmware and the loader extend, and that an SRTM launch needs explained.
constexpr PcrSet firmware_pcrs{0x3ff};
/// SINIT and tboot: details and authorities; and the register that Ravelin then extends.
constexpr PcrSet dynamic_pcrs{1u << 17 | 1u << 18};
constexpr PcrIndex dynamic_measurement_pcr{19};

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// The measured chain: what is about to be started is hashed in every active bank, extended into
// PCR 12 (SRTM) or PCR 19 (DRTM), and logged, in that order, until a separator makes the register
// final.
#pragma once

#include <hv/tpm/launch.hpp>
#include <hv/tpm/multi_hash.hpp>
#include <wire/tcg_log.hpp>

namespace ravelin::hv::tpm {

/// Where Ravelin's measurements go under SRTM.
constexpr PcrIndex measurement_pcr{12};

/// Where a chain goes.
struct ChainPlan {
    PcrIndex pcr{measurement_pcr};
    /// The log of who measured before, whose continuation this one is; read to its end already.
    std::span<const u8> earlier{};
    /// What a cap extends beside `pcr`.
    PcrSet capped_with{0};
};

enum class Measured : u8 { manifest, kernel, ramdisk, command_line, configuration };
/// The word of an event's data, "ravelin:<word>:<name>".
[[nodiscard]] std::string_view event_word(Measured what);

class Chain;

/// Something could not be measured. There are two ways on, and dropping it is neither: the machine
/// stops, or runs on with the register capped and the verdict UNMEASURED.
class [[nodiscard]] MeasurementFailure {
  public:
    MeasurementFailure(const MeasurementFailure&) = delete;
    MeasurementFailure& operator=(const MeasurementFailure&) = delete;
    MeasurementFailure(MeasurementFailure&& other) noexcept
        : chain_{other.chain_}, reason_{other.reason_} {
        other.chain_ = nullptr;
    }
    ~MeasurementFailure() { ensure(chain_ == nullptr, "a failed measurement was ignored"); }

    [[nodiscard]] std::string_view reason() const { return reason_.view(); }
    /// `stop` must not return.
    template <typename Stop> [[noreturn]] void halt(Stop&& stop) && {
        chain_ = nullptr;
        stop(reason_.view());
        ensure(false, "the machine was to stop");
        __builtin_trap();
    }
    void run_unmeasured(LaunchVerdict& verdict) &&;

  private:
    friend class Chain;
    MeasurementFailure(Chain& chain, const Text& reason) : chain_{&chain}, reason_{reason} {}

    Chain* chain_;
    Text reason_;
};

/// Used by the boot CPU before any domain runs; read only afterwards.
class Chain {
  public:
    /// Room that measuring needs in the log, whatever was in it before.
    static constexpr usize own_room = 16 * 1024;

    /// Without a TPM events are logged only. `log_buffer` holds the earlier log and `own_room`.
    Chain(Tpm* tpm,
          const Banks& banks,
          std::span<u8> log_buffer,
          Console& console,
          const ChainPlan& plan = {});
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    /// Measures bytes under a name; says how far it is when they are many.
    [[nodiscard]] std::optional<MeasurementFailure>
    measure(Measured what, std::string_view name, std::span<const u8> bytes);
    /// The separator. Nothing is measured after it.
    [[nodiscard]] std::optional<MeasurementFailure> seal();

    /// Makes the register a value no measured launch has: an event that says why. Then measuring
    /// may go on, for information. If even that fails, there will be no evidence at all.
    void cap(std::string_view reason);
    /// A failed cap: the TPM's registers may look better than the truth, so nothing may be quoted.
    [[nodiscard]] bool quotable() const { return quotable_; }

    [[nodiscard]] std::span<const u8> log() const { return log_ ? log_->bytes() : empty_; }
    /// SHA-256 of the launch manifest; zeros until it was measured.
    [[nodiscard]] const Sha256Digest& manifest_digest() const { return manifest_digest_; }

  private:
    friend class MeasurementFailure;
    /// Extends and logs one event.
    [[nodiscard]] std::optional<Text> record(PcrIndex pcr,
                                             wire::EventType type,
                                             const MultiHash::Result& hashes,
                                             std::span<const u8> data);
    void start_log(std::span<u8> buffer, std::span<const u8> earlier);

    Tpm* tpm_;
    Banks banks_;
    Console& console_;
    ChainPlan plan_;
    FixedVector<wire::tpm::Algorithm, wire::LogReader::max_algorithms> logged_;
    std::optional<wire::LogWriter> log_;
    std::span<const u8> empty_;
    Sha256Digest manifest_digest_{};
    bool sealed_ = false;
    bool quotable_ = true;
};

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// Event logs by what is known of them: RawLog (bytes of somebody), ReplayedLog (decodes; these are
// the PCR values it implies), QuotedLog (those values are the TPM's). Events can be read from a
// QuotedLog only.
#pragma once

#include "attest/quote.hpp"

#include <evidence/replay.hpp>

namespace ravelin::attest {

struct QuotedEvent {
    unsigned pcr;
    wire::EventType type;
    Digest digest;
    std::string data;
    std::string text; ///< the data as people read it: without a final NUL, a separator by its name
};

/// Whose log it is: a dynamic launch begins with registers at zero, and tboot's events carry the
/// digests of the banks that it extends only.
enum class LogKind : u8 { firmware, dynamic };

class ReplayedLog {
  public:
    /// `name` is for messages: "firmware log".
    [[nodiscard]] static std::optional<ReplayedLog> replay(std::span<const u8> raw,
                                                           const std::string& name,
                                                           Verdict& verdict,
                                                           LogKind kind = LogKind::firmware);

  private:
    friend class QuotedLog;
    ReplayedLog(std::span<const u8> raw, std::string name, evidence::Replay replay, LogKind kind)
        : raw_{raw}, name_{std::move(name)}, replay_{replay}, kind_{kind} {}
    std::span<const u8> raw_;
    std::string name_;
    evidence::Replay replay_;
    LogKind kind_;
};

class QuotedLog {
  public:
    /// For each register of `pcrs` the replayed value must be the quoted one, and the log may
    /// extend no other register.
    [[nodiscard]] static std::optional<QuotedLog>
    confirm(const ReplayedLog& log, const QuotedPcrs& quoted, u32 pcrs, Verdict& verdict);
    [[nodiscard]] std::vector<QuotedEvent> events(unsigned pcr) const;

  private:
    QuotedLog(std::span<const u8> raw, LogKind kind) : raw_{raw}, kind_{kind} {}
    std::span<const u8> raw_;
    LogKind kind_;
};

} // namespace ravelin::attest

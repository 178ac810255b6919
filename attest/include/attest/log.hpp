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

class ReplayedLog {
  public:
    /// `name` is for messages: "firmware log".
    [[nodiscard]] static std::optional<ReplayedLog>
    replay(std::span<const u8> raw, const std::string& name, Verdict& verdict);

  private:
    friend class QuotedLog;
    ReplayedLog(std::span<const u8> raw, std::string name, evidence::Replay replay)
        : raw_{raw}, name_{std::move(name)}, replay_{replay} {}
    std::span<const u8> raw_;
    std::string name_;
    evidence::Replay replay_;
};

class QuotedLog {
  public:
    /// For each register of `pcrs` the replayed value must be the quoted one, and the log may
    /// extend no other register.
    [[nodiscard]] static std::optional<QuotedLog>
    confirm(const ReplayedLog& log, const QuotedPcrs& quoted, u32 pcrs, Verdict& verdict);
    [[nodiscard]] std::vector<QuotedEvent> events(unsigned pcr) const;

  private:
    explicit QuotedLog(std::span<const u8> raw) : raw_{raw} {}
    std::span<const u8> raw_;
};

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/log.hpp"

#include "attest/reference.hpp"

#include <algorithm>

namespace ravelin::attest {

namespace {

wire::LogDigests digests_of(LogKind kind) {
    return kind == LogKind::dynamic ? wire::LogDigests::some : wire::LogDigests::every;
}

} // namespace

std::optional<ReplayedLog> ReplayedLog::replay(std::span<const u8> raw,
                                               const std::string& name,
                                               Verdict& verdict,
                                               LogKind kind) {
    const auto start =
        kind == LogKind::dynamic ? evidence::dynamic_launch_pcrs() : evidence::initial_pcrs();
    const auto replayed = evidence::replay(raw, start, digests_of(kind));
    if (!replayed) {
        verdict.fail("log.form",
                     "a TCG event log with SHA-256 digests",
                     std::string{wire::name(replayed.error().log.kind)},
                     name + " at offset " + std::to_string(replayed.error().log.offset));
        return std::nullopt;
    }
    return ReplayedLog{raw, name, replayed.value(), kind};
}

std::optional<QuotedLog>
QuotedLog::confirm(const ReplayedLog& log, const QuotedPcrs& quoted, u32 pcrs, Verdict& verdict) {
    bool confirmed = true;
    for (unsigned pcr = 0; pcr < evidence::pcr_count; ++pcr) {
        const std::string where = log.name_ + ", PCR " + std::to_string(pcr);
        if ((pcrs >> pcr & 1) == 0) {
            if ((log.replay_.extended >> pcr & 1) != 0) {
                verdict.fail("log.grammar", "no event for this register", "an event", where);
                confirmed = false;
            }
            continue;
        }
        const Digest& value = quoted.value(pcr);
        if (log.replay_.values[pcr] == value)
            continue;
        verdict.fail("log.replay", to_hex(value), to_hex(log.replay_.values[pcr]), where);
        confirmed = false;
    }
    if (!confirmed)
        return std::nullopt;
    verdict.pass("log.replay",
                 log.name_ + ", " + std::to_string(log.replay_.events) + " events, as quoted");
    return QuotedLog{log.raw_, log.kind_};
}

std::vector<QuotedEvent> QuotedLog::events(unsigned pcr) const {
    std::vector<QuotedEvent> events;
    auto reader = wire::LogReader::open(raw_, digests_of(kind_));
    while (reader) {
        const auto event = reader.value().next();
        if (!event || !event.value())
            break;
        const wire::LogEvent& found = *event.value();
        const auto digest = found.digest(wire::tpm::Algorithm::sha256);
        if (found.pcr.raw() != pcr || found.type == wire::EventType::no_action || !digest)
            continue;
        QuotedEvent quoted{pcr, found.type, {}, {found.data.begin(), found.data.end()}, {}};
        quoted.text = quoted.data;
        std::copy(digest->begin(), digest->end(), quoted.digest.begin());
        if (quoted.type == wire::EventType::separator && quoted.text == std::string(4, '\0'))
            quoted.text = separator_text;
        if (!quoted.text.empty() && quoted.text.back() == '\0')
            quoted.text.pop_back();
        events.push_back(std::move(quoted));
    }
    return events;
}

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/verify.hpp"

#include "attest/log.hpp"
#include "event_rules.hpp"

#include <crypto/sha.hpp>
#include <wire/statement.hpp>

#include <algorithm>

namespace ravelin::attest {
namespace {

constexpr u32 firmware_pcrs = 0x43ff; // 0-9 and 14
constexpr u32 ravelin_pcrs = 0x1000;  // 12
constexpr u32 dynamic_pcrs = 0xe0000; // 17-19

void check_statement(const Evidence& evidence, const Expectation& expectation, Verdict& verdict) {
    const auto decoded = wire::decode_statement(evidence.statement);
    if (!decoded) {
        verdict.fail("statement.form", "a statement", "bytes that do not decode", "statement");
        return;
    }
    const wire::Statement& statement = decoded.value();
    verdict.compare("statement.submitter",
                    "domain 0",
                    "domain " + std::to_string(statement.submitter.raw()),
                    "statement");
    verdict.compare("statement.nonce", to_hex(expectation.nonce), to_hex(statement.nonce), "nonce");
    verdict.compare("statement.launch",
                    std::string{wire::name(expectation.reference.launch)},
                    std::string{wire::name(statement.launch)},
                    "launch verdict");
    verdict.compare("statement.dma",
                    "protected",
                    statement.dma == wire::DmaState::is_protected ? "protected" : "UNPROTECTED",
                    "DMA");
    verdict.compare("statement.manifest",
                    to_hex(expectation.reference.manifest),
                    to_hex(statement.manifest_digest),
                    "launch manifest");
}

void check_firmware(const QuotedPcrs& quoted, const Reference& reference, Verdict& verdict) {
    for (const auto& [pcr, value] : reference.firmware)
        verdict.compare("firmware.pcr" + std::to_string(pcr),
                        to_hex(value),
                        to_hex(quoted.value(pcr)),
                        "PCR " + std::to_string(pcr));
    verdict.compare("firmware.pcr14", to_hex(Digest{}), to_hex(quoted.value(14)), "PCR 14");
}

bool hashes_to(std::string_view text, const Digest& digest) {
    const Bytes bytes{text.begin(), text.end()};
    return crypto::hash<crypto::Sha256>(bytes) == digest;
}

/// How an event is called for people; it comes from the evidence, so only what prints.
std::string event_name(unsigned pcr, const std::string& text) {
    return "PCR " + std::to_string(pcr) + " event '" + printable(text) + "'";
}

/// Events whose text is what was hashed: digest and text must agree, or the text is a lie.
void check_texts(const QuotedLog& log, Verdict& verdict) {
    bool good = true;
    const auto check = [&](unsigned pcr, const QuotedEvent& event, std::string_view hashed) {
        if (hashes_to(hashed, event.digest))
            return;
        verdict.fail("log.text",
                     "a text whose digest is " + to_hex(event.digest),
                     "'" + printable(event.text) + "'",
                     event_name(pcr, event.text));
        good = false;
    };
    for (const QuotedEvent& event : log.events(8)) {
        const std::size_t colon = event.text.find(": ");
        check(8,
              event,
              std::string_view{event.text}.substr(colon == std::string::npos ? 0 : colon + 2));
    }
    for (unsigned pcr = 0; pcr < 8; ++pcr)
        for (const QuotedEvent& event : log.events(pcr))
            if (is_self_describing(event.type))
                check(pcr, event, event.data);
    if (good)
        verdict.pass("log.text", "event texts agree with their digests");
}

/// Which types of event may stand in which register, and one separator between firmware and boot
/// loader in each of 0-7 [PFP 2.3.4, 10.4.1].
void check_grammar(const QuotedLog& log, std::initializer_list<unsigned> pcrs, Verdict& verdict) {
    bool good = true;
    const auto refuse = [&](std::string expected, std::string found, std::string where) {
        verdict.fail("log.grammar", std::move(expected), std::move(found), std::move(where));
        good = false;
    };
    for (const unsigned pcr : pcrs) {
        unsigned separators = 0;
        for (const QuotedEvent& event : log.events(pcr)) {
            if (!may_stand_in(event.type, pcr))
                refuse("a type of event that belongs into the register",
                       "type " + std::to_string(static_cast<u32>(event.type)),
                       event_name(pcr, event.text));
            if (event.type != wire::EventType::separator)
                continue;
            ++separators;
            if (event.text != separator_text || !hashes_to(event.data, event.digest))
                refuse("a separator of four zero bytes",
                       to_hex(event.digest),
                       event_name(pcr, event.text));
        }
        const bool none = pcr == 8 || pcr == 9 || pcr == 14 || pcr == 17 || pcr == 18;
        const unsigned wanted = none ? 0 : 1;
        if (separators != wanted)
            refuse(std::to_string(wanted) + " separators",
                   std::to_string(separators),
                   "PCR " + std::to_string(pcr));
    }
    if (good)
        verdict.pass("log.grammar", "events of the types and in the places they belong");
}

std::string described(const ReferenceEvent& event) {
    return "'" + printable(event.name) + "' " + to_hex(event.digest);
}

/// Events of one register against the predicted ones, in order; each that differs is named.
void check_events(const std::string& id,
                  unsigned pcr,
                  const std::vector<QuotedEvent>& found,
                  const std::vector<ReferenceEvent>& expected,
                  Verdict& verdict) {
    bool good = true;
    for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
        const std::string wanted = i < expected.size() ? described(expected[i]) : "no event";
        const std::string got =
            i < found.size() ? described({found[i].text, found[i].digest}) : "no event";
        if (wanted == got)
            continue;
        verdict.fail(id,
                     wanted,
                     got,
                     event_name(pcr, i < expected.size() ? expected[i].name : found[i].text));
        good = false;
    }
    if (good)
        verdict.pass(id,
                     std::to_string(expected.size()) + " events of PCR " + std::to_string(pcr) +
                         " as predicted");
}

const std::vector<ReferenceEvent>& expected_events(const Reference& reference, unsigned pcr) {
    static const std::vector<ReferenceEvent> none;
    const auto found = reference.events.find(pcr);
    return found == reference.events.end() ? none : found->second;
}

/// SINIT and tboot log no texts: what is compared are digests, in order, and the reference has the
/// names.
void check_digests(const std::string& id,
                   unsigned pcr,
                   const std::vector<QuotedEvent>& found,
                   const std::vector<ReferenceEvent>& expected,
                   Verdict& verdict) {
    std::vector<QuotedEvent> named = found;
    for (std::size_t i = 0; i < std::min(named.size(), expected.size()); ++i)
        named[i].text = expected[i].name;
    check_events(id, pcr, named, expected, verdict);
}

void check_static_launch(const Evidence& evidence,
                         const QuotedPcrs& quoted,
                         const Reference& reference,
                         Verdict& verdict) {
    check_firmware(quoted, reference, verdict);
    const auto firmware = ReplayedLog::replay(evidence.firmware_log, "firmware log", verdict);
    const auto ravelin = ReplayedLog::replay(evidence.ravelin_log, "Ravelin's log", verdict);
    if (firmware) {
        if (const auto log = QuotedLog::confirm(*firmware, quoted, firmware_pcrs, verdict)) {
            check_grammar(*log, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14}, verdict);
            check_texts(*log, verdict);
            check_events(
                "boot.commands", 8, log->events(8), expected_events(reference, 8), verdict);
            check_events("boot.files", 9, log->events(9), expected_events(reference, 9), verdict);
        }
    }
    if (ravelin) {
        if (const auto log = QuotedLog::confirm(*ravelin, quoted, ravelin_pcrs, verdict)) {
            check_grammar(*log, {12}, verdict);
            check_events(
                "launch.domains", 12, log->events(12), expected_events(reference, 12), verdict);
        }
    }
}

/// One log, SINIT's, tboot's and Ravelin's. PCR 0-9 and the firmware's log are not looked at: what
/// ran before the dynamic launch has no part in it.
void check_dynamic_launch(const Evidence& evidence,
                          const QuotedPcrs& quoted,
                          const Reference& reference,
                          Verdict& verdict) {
    verdict.set_remark(std::string{wire::name(wire::Launch::drtm)});
    const auto replayed =
        ReplayedLog::replay(evidence.ravelin_log, "launch log", verdict, LogKind::dynamic);
    if (!replayed)
        return;
    const auto log = QuotedLog::confirm(*replayed, quoted, dynamic_pcrs, verdict);
    if (!log)
        return;
    check_grammar(*log, {17, 18, 19}, verdict);
    check_digests(
        "launch.environment", 17, log->events(17), expected_events(reference, 17), verdict);
    check_digests(
        "launch.authorities", 18, log->events(18), expected_events(reference, 18), verdict);
    check_events("launch.domains", 19, log->events(19), expected_events(reference, 19), verdict);
}

} // namespace

Verdict verify(const Evidence& evidence, const Expectation& expectation) {
    const Reference& reference = expectation.reference;
    Verdict verdict;
    check_statement(evidence, expectation, verdict);
    const auto quoted =
        QuotedPcrs::confirm(evidence, expectation.ak_public, reference.launch, verdict);
    if (!quoted)
        return verdict;
    if (reference.launch == wire::Launch::drtm)
        check_dynamic_launch(evidence, *quoted, reference, verdict);
    else
        check_static_launch(evidence, *quoted, reference, verdict);
    return verdict;
}

} // namespace ravelin::attest

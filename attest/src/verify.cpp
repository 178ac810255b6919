// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/verify.hpp"

#include "attest/log.hpp"

#include <crypto/sha.hpp>
#include <wire/statement.hpp>

#include <algorithm>

namespace ravelin::attest {
namespace {

constexpr u32 firmware_pcrs = 0x43ff; // 0-9 and 14
constexpr u32 ravelin_pcrs = 0x1000;  // 12

void check_statement(const Evidence& evidence, const Expectation& expectation, Verdict& verdict) {
    const auto decoded = wire::decode_statement(evidence.statement);
    if (!decoded) {
        verdict.fail("statement.form", "a statement", "bytes that do not decode", "statement");
        return;
    }
    const wire::Statement& statement = decoded.value();
    verdict.compare("statement.nonce", to_hex(expectation.nonce), to_hex(statement.nonce), "nonce");
    verdict.compare(
        "statement.launch", "SRTM", std::string{wire::name(statement.launch)}, "launch verdict");
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

/// GRUB's commands carry what was hashed in their text: digest and text must agree, or the text is
/// a lie.
void check_command_texts(const std::vector<QuotedEvent>& events, Verdict& verdict) {
    for (const QuotedEvent& event : events) {
        const std::size_t colon = event.text.find(": ");
        const std::string hashed =
            colon == std::string::npos ? event.text : event.text.substr(colon + 2);
        const Bytes bytes{hashed.begin(), hashed.end()};
        if (crypto::hash<crypto::Sha256>(bytes) != event.digest)
            verdict.fail("log.text",
                         "an event text whose digest is " + to_hex(event.digest),
                         "'" + event.text + "'",
                         "PCR 8 event '" + event.text + "'");
    }
}

std::string described(const ReferenceEvent& event) {
    return "'" + event.name + "' " + to_hex(event.digest);
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
        const std::string name = i < expected.size() ? expected[i].name : found[i].text;
        verdict.fail(id, wanted, got, "PCR " + std::to_string(pcr) + " event '" + name + "'");
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

} // namespace

Verdict verify(const Evidence& evidence, const Expectation& expectation) {
    const Reference& reference = expectation.reference;
    Verdict verdict;
    check_statement(evidence, expectation, verdict);
    const auto quoted = QuotedPcrs::confirm(evidence, expectation.ak_public, verdict);
    if (!quoted)
        return verdict;
    check_firmware(*quoted, reference, verdict);

    const auto firmware = ReplayedLog::replay(evidence.firmware_log, "firmware log", verdict);
    const auto ravelin = ReplayedLog::replay(evidence.ravelin_log, "Ravelin's log", verdict);
    if (firmware) {
        if (const auto log = QuotedLog::confirm(*firmware, *quoted, firmware_pcrs, verdict)) {
            check_command_texts(log->events(8), verdict);
            check_events(
                "boot.commands", 8, log->events(8), expected_events(reference, 8), verdict);
            check_events("boot.files", 9, log->events(9), expected_events(reference, 9), verdict);
        }
    }
    if (ravelin) {
        if (const auto log = QuotedLog::confirm(*ravelin, *quoted, ravelin_pcrs, verdict))
            check_events(
                "launch.domains", 12, log->events(12), expected_events(reference, 12), verdict);
    }
    return verdict;
}

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// The decision, in the order in which each step makes the next one meaningful.
#include "hv/tpm/launch.hpp"

namespace ravelin::hv::tpm {

namespace {

constexpr std::string_view own_name = "ravelin";
constexpr PcrIndex loader_files{9};

bool contains(std::span<const u8> bytes, std::string_view text) {
    for (usize at = 0; at + text.size() <= bytes.size(); ++at) {
        bool same = true;
        for (usize i = 0; i < text.size(); ++i)
            same = same && bytes[at + i] == static_cast<u8>(text[i]);
        if (same)
            return true;
    }
    return false;
}

/// Whether the loader logged a file of our name. Precondition: the log has been replayed.
bool names_us(std::span<const u8> log) {
    auto reader = wire::LogReader::open(log);
    while (reader.is_ok()) {
        const auto next = reader.value().next();
        if (!next.is_ok() || !next.value())
            return false;
        if (next.value()->pcr == loader_files && next.value()->type == wire::EventType::ipl &&
            contains(next.value()->data, own_name))
            return true;
    }
    return false;
}

} // namespace

void LaunchVerdict::downgrade(Unmeasured cause, const Text& reason) {
    if (cause_)
        return;
    launch_ = wire::Launch::unmeasured;
    cause_ = cause;
    reason_ = reason;
}

LaunchVerdict decide_launch(const LaunchFacts& facts) {
    LaunchVerdict verdict;
    const auto unmeasured = [&verdict](Unmeasured cause, const Text& reason) {
        verdict.downgrade(cause, reason);
        return verdict;
    };
    if (facts.tpm_problem)
        return unmeasured(facts.has_tpm ? Unmeasured::tpm_failed : Unmeasured::no_tpm,
                          *facts.tpm_problem);
    if (!facts.has_tpm)
        return unmeasured(Unmeasured::no_tpm, Text{"no TPM 2.0"});
    if (!facts.has_sha256_bank)
        return unmeasured(Unmeasured::no_sha256_bank, Text{"the TPM's SHA-256 bank is off"});
    if (facts.startup == Startup::by_us)
        return unmeasured(Unmeasured::firmware_silent, Text{"the firmware did not start the TPM"});
    if (!facts.firmware_log)
        return unmeasured(Unmeasured::no_log,
                          Text{"the loader handed over no event log: it measures nothing"});
    if (facts.log_truncated)
        return unmeasured(Unmeasured::log_truncated,
                          Text{"the firmware had no room for all its events"});
    const auto replayed = evidence::replay(*facts.firmware_log, evidence::initial_pcrs());
    if (!replayed.is_ok()) {
        Text text{"the firmware's log is malformed: "};
        if (replayed.error().kind == evidence::ReplayError::Kind::no_sha256)
            text << "no SHA-256 digests";
        else
            (text << wire::name(replayed.error().log.kind) << ", at byte ")
                .decimal(replayed.error().log.offset);
        return unmeasured(Unmeasured::log_malformed, text);
    }
    ensure(facts.pcrs != nullptr, "a launch is decided with the PCRs at hand");
    for (u32 pcr = 0; pcr < PcrValues::count; ++pcr) {
        if ((firmware_pcrs.raw() >> pcr & 1) == 0)
            continue;
        if (replayed.value().values[pcr] != facts.pcrs->values[pcr])
            return unmeasured(Unmeasured::log_mismatch,
                              Text{"the firmware's log does not replay to PCR "}.decimal(pcr));
    }
    if (!names_us(*facts.firmware_log))
        return unmeasured(Unmeasured::not_in_log,
                          Text{"the loader did not measure the hypervisor"});
    verdict.launch_ = wire::Launch::srtm;
    return verdict;
}

} // namespace ravelin::hv::tpm

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

/// What speaks against a measured launch.
struct Flaw {
    Unmeasured cause;
    Text reason;
};

} // namespace

void LaunchVerdict::downgrade(Unmeasured cause, const Text& reason) {
    if (cause_)
        return;
    launch_ = wire::Launch::unmeasured;
    cause_ = cause;
    reason_ = reason;
}

namespace {

std::optional<Flaw> flaw_of_tpm(const LaunchFacts& facts) {
    if (facts.tpm_problem)
        return Flaw{facts.has_tpm ? Unmeasured::tpm_failed : Unmeasured::no_tpm,
                    *facts.tpm_problem};
    if (!facts.has_tpm)
        return Flaw{Unmeasured::no_tpm, Text{"no TPM 2.0"}};
    if (!facts.has_sha256_bank)
        return Flaw{Unmeasured::no_sha256_bank, Text{"the TPM's SHA-256 bank is off"}};
    if (facts.startup == Startup::by_us)
        return Flaw{Unmeasured::firmware_silent, Text{"the firmware did not start the TPM"}};
    ensure(facts.pcrs != nullptr, "a launch is decided with the PCRs at hand");
    return std::nullopt;
}

Flaw malformed(std::string_view whose, const evidence::ReplayError& error) {
    Text text{whose};
    text << " log is malformed: ";
    if (error.kind == evidence::ReplayError::Kind::no_sha256)
        text << "no SHA-256 digests";
    else
        (text << wire::name(error.log.kind) << ", at byte ").decimal(error.log.offset);
    return {Unmeasured::log_malformed, text};
}

std::optional<Flaw> mismatch(std::string_view whose,
                             PcrSet set,
                             const evidence::Replay& replayed,
                             const PcrValues& pcrs) {
    for (u32 pcr = 0; pcr < PcrValues::count; ++pcr)
        if ((set.raw() >> pcr & 1) != 0 && replayed.values[pcr] != pcrs.values[pcr])
            return Flaw{Unmeasured::log_mismatch,
                        (Text{whose} << " log does not replay to PCR ").decimal(pcr)};
    return std::nullopt;
}

// Each replays a log into PCRs of its own: two such frames in one would be too large.
[[gnu::noinline]] std::optional<Flaw> flaw_of_firmware(const LaunchFacts& facts) {
    if (!facts.firmware_log)
        return Flaw{Unmeasured::no_log,
                    Text{"the loader handed over no event log: it measures nothing"}};
    if (facts.log_truncated)
        return Flaw{Unmeasured::log_truncated, Text{"the firmware had no room for all its events"}};
    constexpr std::string_view whose{"the firmware's"};
    const auto replayed = evidence::replay(*facts.firmware_log, evidence::initial_pcrs());
    if (!replayed.is_ok())
        return malformed(whose, replayed.error());
    if (const auto flaw = mismatch(whose, firmware_pcrs, replayed.value(), *facts.pcrs))
        return flaw;
    if (!names_us(*facts.firmware_log))
        return Flaw{Unmeasured::not_in_log, Text{"the loader did not measure the hypervisor"}};
    return std::nullopt;
}

[[gnu::noinline]] std::optional<Flaw> flaw_of_dynamic_launch(const LaunchFacts& facts) {
    if (facts.dynamic.problem)
        return Flaw{Unmeasured::no_dynamic_launch, *facts.dynamic.problem};
    Sha256Digest never{};
    never.fill(0xff);
    for (const u32 pcr : {17u, 18u})
        if (facts.pcrs->values[pcr] == never)
            return Flaw{Unmeasured::dynamic_pcrs,
                        Text{"the TPM saw no dynamic launch: all ones in PCR "}.decimal(pcr)};
    constexpr std::string_view whose{"SINIT's and tboot's"};
    const auto replayed = evidence::replay(
        facts.dynamic.log, evidence::dynamic_launch_pcrs(), wire::LogDigests::some);
    if (!replayed.is_ok())
        return malformed(whose, replayed.error());
    if (const auto flaw = mismatch(whose, dynamic_pcrs, replayed.value(), *facts.pcrs))
        return flaw;
    // tboot's legacy mapping puts modules there; Ravelin's register begins with Ravelin.
    if (facts.pcrs->values[dynamic_measurement_pcr.raw()] != Sha256Digest{} ||
        (replayed.value().extended >> dynamic_measurement_pcr.raw() & 1) != 0)
        return Flaw{Unmeasured::dynamic_pcrs, Text{"PCR 19 was extended before Ravelin"}};
    return std::nullopt;
}

} // namespace

LaunchVerdict decide_launch(const LaunchFacts& facts) {
    LaunchVerdict verdict;
    const bool dynamic = facts.dynamic.wanted;
    auto flaw = flaw_of_tpm(facts);
    if (!flaw)
        flaw = dynamic ? flaw_of_dynamic_launch(facts) : flaw_of_firmware(facts);
    if (flaw) {
        Text reason{dynamic ? "asked for DRTM, launched without: " : ""};
        verdict.downgrade(flaw->cause, reason << flaw->reason.view());
        return verdict;
    }
    verdict.launch_ = dynamic ? wire::Launch::drtm : wire::Launch::srtm;
    return verdict;
}

} // namespace ravelin::hv::tpm

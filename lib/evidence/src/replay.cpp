// SPDX-License-Identifier: Apache-2.0
// Replay of one log.
#include "evidence/replay.hpp"

namespace ravelin::evidence {

namespace {

constexpr std::string_view startup_locality{"StartupLocality\0", 16};

/// The locality the TPM was started from, when this event tells it.
std::optional<u8> started_from(const wire::LogEvent& event) {
    if (event.type != wire::EventType::no_action ||
        event.data.size() != startup_locality.size() + 1)
        return std::nullopt;
    for (usize i = 0; i < startup_locality.size(); ++i)
        if (event.data[i] != static_cast<u8>(startup_locality[i]))
            return std::nullopt;
    return event.data.back();
}

} // namespace

PcrBank initial_pcrs() {
    PcrBank bank{};
    for (usize pcr = 17; pcr <= 22; ++pcr)
        bank[pcr].fill(0xff);
    return bank;
}

PcrBank dynamic_launch_pcrs() {
    return {};
}

void extend(PcrValue& pcr, std::span<const u8> digest) {
    crypto::Sha256 stream;
    stream.update(pcr);
    stream.update(digest);
    pcr = stream.finish();
}

Result<Replay, ReplayError>
replay(std::span<const u8> log, const PcrBank& from, wire::LogDigests digests) {
    const auto malformed = [](const wire::LogError& error) {
        return Failure{ReplayError{ReplayError::Kind::malformed, error}};
    };
    auto reader = wire::LogReader::open(log, digests);
    if (!reader.is_ok())
        return malformed(reader.error());
    Replay out{.values = from};
    for (;;) {
        const auto next = reader.value().next();
        if (!next.is_ok())
            return malformed(next.error());
        if (!next.value())
            return out;
        const wire::LogEvent& event = *next.value();
        ++out.events;
        if (event.type == wire::EventType::no_action) {
            const auto locality = started_from(event);
            if (locality && (out.extended & 1) == 0)
                out.values[0].back() = *locality;
            continue;
        }
        const auto digest = event.digest(wire::tpm::Algorithm::sha256);
        if (!digest)
            return Failure{ReplayError{ReplayError::Kind::no_sha256, {}}};
        extend(out.values[event.pcr.raw()], *digest);
        out.extended |= u32{1} << event.pcr.raw();
    }
}

} // namespace ravelin::evidence

// SPDX-License-Identifier: Apache-2.0
// TCG_PCClientPCREvent, TCG_EfiSpecIDEvent and TCG_PCR_EVENT2. [PFP 10.2]
#include "wire/tcg_log.hpp"

namespace ravelin::wire {

namespace {

constexpr std::array<u8, 16> signature{
    'S', 'p', 'e', 'c', ' ', 'I', 'D', ' ', 'E', 'v', 'e', 'n', 't', '0', '3', 0};
constexpr usize sha1_size = 20;
constexpr u32 pcr_count = 24;

bool same(std::span<const u8> a, std::span<const u8> b) {
    if (a.size() != b.size())
        return false;
    for (usize i = 0; i < a.size(); ++i)
        if (a[i] != b[i])
            return false;
    return true;
}

/// The body of the header event.
Result<FixedVector<LogAlgorithm, LogReader::max_algorithms>, CursorError>
decode_header(std::span<const u8> body) {
    LittleReader reader{body};
    if (!same(RAVELIN_TRY(reader.bytes(signature.size())), signature))
        return Failure{CursorError::trailing};
    (void)RAVELIN_TRY(reader.skip(4 + 1 + 1 + 1 + 1)); // class, version, errata, UINTN size
    const u32 count = RAVELIN_TRY(reader.integer<u32>());
    FixedVector<LogAlgorithm, LogReader::max_algorithms> out;
    for (u32 i = 0; i < count; ++i) {
        const auto algorithm = static_cast<tpm::Algorithm>(RAVELIN_TRY(reader.integer<u16>()));
        const u16 size = RAVELIN_TRY(reader.integer<u16>());
        const usize expected = tpm::digest_size(algorithm);
        if ((expected != 0 && expected != size) || !out.push_back({algorithm, size}))
            return Failure{CursorError::trailing};
    }
    const u8 vendor_size = RAVELIN_TRY(reader.byte());
    (void)RAVELIN_TRY(reader.skip(vendor_size));
    (void)RAVELIN_TRY(reader.expect_end());
    return out;
}

} // namespace

std::optional<std::span<const u8>> LogEvent::digest(tpm::Algorithm algorithm) const {
    for (const auto& candidate : digests)
        if (candidate.algorithm == algorithm)
            return candidate.bytes;
    return std::nullopt;
}

Result<LogReader, LogError> LogReader::open(std::span<const u8> log, LogDigests digests) {
    LogReader out{log, digests};
    const auto body = [&]() -> Result<std::span<const u8>, CursorError> {
        const u32 pcr = RAVELIN_TRY(out.reader_.integer<u32>());
        const u32 type = RAVELIN_TRY(out.reader_.integer<u32>());
        (void)RAVELIN_TRY(out.reader_.skip(sha1_size));
        const u32 size = RAVELIN_TRY(out.reader_.integer<u32>());
        if (pcr != 0 || type != static_cast<u32>(EventType::no_action))
            return Failure{CursorError::trailing};
        return out.reader_.bytes(size);
    }();
    if (!body.is_ok())
        return Failure{LogError{body.error() == CursorError::truncated ? LogError::Kind::truncated
                                                                       : LogError::Kind::no_header,
                                0}};
    const auto algorithms = decode_header(body.value());
    if (!algorithms.is_ok())
        return Failure{LogError{LogError::Kind::bad_header, 0}};
    out.algorithms_ = algorithms.value();
    return out;
}

std::optional<u16> LogReader::size_of(tpm::Algorithm algorithm) const {
    for (const auto& known : algorithms_)
        if (known.algorithm == algorithm)
            return known.digest_size;
    return std::nullopt;
}

Result<std::optional<LogEvent>, LogError> LogReader::next() {
    if (reader_.remaining() == 0)
        return std::optional<LogEvent>{};
    LogEvent event;
    event.offset = reader_.offset();
    LogError::Kind kind = LogError::Kind::truncated;
    const auto decoded = [&]() -> Status<CursorError> {
        const auto fail = [&](LogError::Kind why) {
            kind = why;
            return Failure{CursorError::trailing};
        };
        event.pcr = PcrIndex{RAVELIN_TRY(reader_.integer<u32>())};
        event.type = static_cast<EventType>(RAVELIN_TRY(reader_.integer<u32>()));
        const u32 count = RAVELIN_TRY(reader_.integer<u32>());
        // Firmware writes 0xffffffff where an event belongs to no register.
        if (event.pcr.raw() >= pcr_count && event.type != EventType::no_action)
            return fail(LogError::Kind::bad_pcr);
        if (count > algorithms_.size() || count == 0 ||
            (digests_ == LogDigests::every && count != algorithms_.size()))
            return fail(LogError::Kind::digest_count);
        for (u32 i = 0; i < count; ++i) {
            const auto algorithm = static_cast<tpm::Algorithm>(RAVELIN_TRY(reader_.integer<u16>()));
            const auto size = size_of(algorithm);
            if (!size)
                return fail(LogError::Kind::unknown_algorithm);
            if (event.digest(algorithm))
                return fail(LogError::Kind::digest_count);
            const auto bytes = RAVELIN_TRY(reader_.bytes(*size));
            ensure(event.digests.push_back({algorithm, bytes}), "as many as the header has");
        }
        const u32 size = RAVELIN_TRY(reader_.integer<u32>());
        event.data = RAVELIN_TRY(reader_.bytes(size));
        return Unit{};
    }();
    if (!decoded.is_ok())
        return Failure{LogError{kind, event.offset}};
    return std::optional{event};
}

Result<LogWriter, LogFull> LogWriter::create(std::span<u8> buffer,
                                             std::span<const tpm::Algorithm> algorithms) {
    LittleWriter writer{buffer};
    constexpr std::array<u8, sha1_size> no_digest{};
    const auto body_size = static_cast<u32>(signature.size() + 8 + 4 + 4 * algorithms.size() + 1);
    writer.integer(u32{0}).integer(static_cast<u32>(EventType::no_action)).bytes(no_digest);
    writer.integer(body_size).bytes(signature).integer(u32{0}); // platform class: client
    writer.integer(u8{0}).integer(u8{2}).integer(u8{0});        // version 2.0, no errata
    writer.integer(u8{2});                                      // UINTN has 64 bits
    writer.integer(static_cast<u32>(algorithms.size()));
    for (const auto algorithm : algorithms)
        writer.integer(static_cast<u16>(algorithm))
            .integer(static_cast<u16>(tpm::digest_size(algorithm)));
    writer.integer(u8{0}); // no vendor information
    const auto written = writer.finish();
    if (!written.is_ok())
        return Failure{LogFull::full};
    return LogWriter{buffer, written.value().size()};
}

Status<LogFull> LogWriter::append(PcrIndex pcr,
                                  EventType type,
                                  std::span<const LogDigest> digests,
                                  std::span<const u8> data) {
    LittleWriter writer{buffer_.subspan(size_)};
    writer.integer(pcr.raw()).integer(static_cast<u32>(type));
    writer.integer(static_cast<u32>(digests.size()));
    for (const auto& digest : digests)
        writer.integer(static_cast<u16>(digest.algorithm)).bytes(digest.bytes);
    writer.integer(static_cast<u32>(data.size())).bytes(data);
    const auto written = writer.finish();
    if (!written.is_ok())
        return Failure{LogFull::full};
    size_ += written.value().size();
    return Unit{};
}

std::string_view name(LogError::Kind kind) {
    switch (kind) {
    case LogError::Kind::truncated:
        return "the log ends inside an event";
    case LogError::Kind::no_header:
        return "the log does not begin with a Spec ID event";
    case LogError::Kind::bad_header:
        return "the Spec ID event is malformed";
    case LogError::Kind::unknown_algorithm:
        return "a digest of an algorithm the log does not announce";
    case LogError::Kind::digest_count:
        return "not one digest of each announced algorithm";
    case LogError::Kind::bad_pcr:
        return "an event for a PCR that does not exist";
    }
    return "unknown log error";
}

} // namespace ravelin::wire

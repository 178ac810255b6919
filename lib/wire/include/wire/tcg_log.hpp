// SPDX-License-Identifier: Apache-2.0
// The TCG crypto-agile event log: a reader that copies nothing, and a writer. Little-endian
// throughout. [PFP] = TCG PC Client Platform Firmware Profile 1.05, section 10.
#pragma once

#include <base/cursor.hpp>
#include <base/fixed_vector.hpp>
#include <wire/tpm.hpp>

#include <optional>

namespace ravelin::wire {

/// Event types somebody here looks at. [PFP 10.4.1] A type is not covered by the event's digest:
/// no decision may rest on it alone.
enum class EventType : u32 {
    no_action = 0x03,
    separator = 0x04,
    s_crtm_version = 0x08,
    ipl = 0x0d,
};

struct LogAlgorithm {
    tpm::Algorithm algorithm{};
    u16 digest_size{};
};

struct LogDigest {
    tpm::Algorithm algorithm{};
    std::span<const u8> bytes;
};

/// One event; its spans point into the log.
struct LogEvent {
    static constexpr usize max_digests = 8;
    usize offset = 0; ///< of the event in the log, for messages
    PcrIndex pcr;
    EventType type{};
    FixedVector<LogDigest, max_digests> digests;
    std::span<const u8> data;
    [[nodiscard]] std::optional<std::span<const u8>> digest(tpm::Algorithm algorithm) const;
};

struct LogError {
    enum class Kind : u8 {
        truncated,         ///< the log ends inside an event
        no_header,         ///< the first event is not a "Spec ID Event03"
        bad_header,        ///< that event's own fields do not add up
        unknown_algorithm, ///< a digest of an algorithm that the header does not name
        digest_count,      ///< not exactly one digest of each of the header's algorithms
        bad_pcr,           ///< a PCR that no TPM has
    };
    Kind kind{};
    usize offset = 0; ///< of the event that is wrong
};
[[nodiscard]] std::string_view name(LogError::Kind kind);

/// How many digests an event must carry.
enum class LogDigests : u8 {
    every, ///< one of each algorithm of the header, as the specification has it
    some,  ///< at least one of them: tboot leaves out the banks that it does not extend
};

/// Reads a log front to back. The log outlives it.
class LogReader {
  public:
    static constexpr usize max_algorithms = LogEvent::max_digests;

    /// Decodes the header event.
    [[nodiscard]] static Result<LogReader, LogError> open(std::span<const u8> log,
                                                          LogDigests digests = LogDigests::every);
    [[nodiscard]] std::span<const LogAlgorithm> algorithms() const { return algorithms_.span(); }
    /// The next event; none at the end of the log.
    [[nodiscard]] Result<std::optional<LogEvent>, LogError> next();
    [[nodiscard]] usize offset() const { return reader_.offset(); }

  private:
    LogReader(std::span<const u8> log, LogDigests digests) : reader_{log}, digests_{digests} {}
    [[nodiscard]] std::optional<u16> size_of(tpm::Algorithm algorithm) const;

    LittleReader reader_;
    LogDigests digests_;
    FixedVector<LogAlgorithm, max_algorithms> algorithms_;
};

enum class LogFull : u8 { full };

/// Writes a log into a buffer that outlives it. An event is written whole or not at all.
class LogWriter {
  public:
    /// Writes the header event for these algorithms, in this order.
    [[nodiscard]] static Result<LogWriter, LogFull>
    create(std::span<u8> buffer, std::span<const tpm::Algorithm> algorithms);
    /// Goes on with the log whose `size` bytes stand at the start of the buffer. Precondition: it
    /// has been read to its end.
    [[nodiscard]] static LogWriter resume(std::span<u8> buffer, usize size) {
        return LogWriter{buffer, size};
    }
    /// `digests`: one for each of the header's algorithms, in that order.
    [[nodiscard]] Status<LogFull> append(PcrIndex pcr,
                                         EventType type,
                                         std::span<const LogDigest> digests,
                                         std::span<const u8> data);
    [[nodiscard]] std::span<const u8> bytes() const { return buffer_.first(size_); }

  private:
    LogWriter(std::span<u8> buffer, usize size) : buffer_{buffer}, size_{size} {}

    std::span<u8> buffer_;
    usize size_;
};

} // namespace ravelin::wire

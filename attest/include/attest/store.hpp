// SPDX-License-Identifier: Apache-2.0
// What a verifier remembers: who is enrolled with which keys (for ever), the challenges it has
// given out, enrolments under way, and a hash-chained audit of what it decided. SQLite; a verifier
// process keeps no state of its own. One thread at a time.
#pragma once

#include "attest/evidence.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

struct sqlite3;

namespace ravelin::attest {

using Clock = std::chrono::system_clock;

/// The store failed: the disk, or a file that is none of ours. Nothing was decided.
struct StoreError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Enrolment {
    std::string host;
    Bytes ek_fingerprint;
    Bytes ak_public;
    friend bool operator==(const Enrolment&, const Enrolment&) = default;
};

/// An enrolment between its two halves.
struct PendingEnrolment {
    Enrolment enrolment;
    Bytes credential; ///< what the TPM has to give back
};

enum class NonceState { fresh, unknown, used, expired };

class Store {
  public:
    /// Opens or creates; ":memory:" keeps everything in memory.
    explicit Store(const std::filesystem::path& file);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    [[nodiscard]] std::optional<Enrolment> enrolment(const std::string& host);
    /// Who has this endorsement key.
    [[nodiscard]] std::optional<Enrolment> enrolment_of_key(std::span<const u8> ek_fingerprint);
    /// False, and nothing changed, when the host or the key is enrolled with anything else.
    [[nodiscard]] bool enrol(const Enrolment& enrolment);

    void
    begin_enrolment(const Bytes& session, const PendingEnrolment& pending, Clock::time_point until);
    /// Takes it out: a session is good for one answer.
    [[nodiscard]] std::optional<PendingEnrolment> take_enrolment(std::span<const u8> session,
                                                                 Clock::time_point now);

    void add_challenge(const Digest& nonce, const std::string& host, Clock::time_point until);
    /// Marks the nonce used, whatever it was.
    [[nodiscard]] NonceState
    spend_challenge(const Digest& nonce, const std::string& host, Clock::time_point now);
    /// Forgets what has expired.
    void prune(Clock::time_point now);

    void audit(Clock::time_point when,
               const std::string& what,
               const std::string& host,
               const std::string& detail);
    /// Whether every entry's hash is that of the entry and its predecessor's hash.
    [[nodiscard]] bool audit_is_whole();
    [[nodiscard]] usize audit_size();

  private:
    class Statement;
    void execute(const char* sql);
    [[nodiscard]] std::optional<Enrolment> read_enrolment(Statement& query);

    struct Close {
        void operator()(sqlite3* database) const;
    };
    std::unique_ptr<sqlite3, Close> database_;
};

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// See the header. Every value is bound, none is pasted into SQL.
#include "attest/store.hpp"

#include <crypto/sha.hpp>

#include <algorithm>
#include <sqlite3.h>

namespace ravelin::attest {
namespace {

constexpr const char* schema =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS enrolment (host TEXT PRIMARY KEY, ek BLOB UNIQUE NOT NULL, ak BLOB "
    "NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS pending (session BLOB PRIMARY KEY, host TEXT NOT NULL, ek BLOB NOT "
    "NULL, ak BLOB NOT NULL, credential BLOB NOT NULL, until INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS challenge (nonce BLOB PRIMARY KEY, host TEXT NOT NULL, until "
    "INTEGER NOT NULL, used INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, what "
    "TEXT NOT NULL, host TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL) STRICT;";

i64 seconds(Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// Lengths before contents: no two different entries hash alike.
Bytes entry_hash(const Bytes& before,
                 i64 number,
                 i64 time,
                 std::initializer_list<std::string_view> texts) {
    crypto::Sha256 hash;
    const auto integer = [&hash](u64 value) {
        std::array<u8, 8> raw{};
        for (usize i = 0; i < raw.size(); ++i)
            raw[i] = static_cast<u8>(value >> (8 * (raw.size() - 1 - i)));
        hash.update(raw);
    };
    integer(before.size());
    hash.update(before);
    integer(static_cast<u64>(number));
    integer(static_cast<u64>(time));
    for (const std::string_view text : texts) {
        integer(text.size());
        const Bytes bytes{text.begin(), text.end()};
        hash.update(bytes);
    }
    const Digest digest = hash.finish();
    return {digest.begin(), digest.end()};
}

} // namespace

/// A prepared statement; parameters in the order of bind(), columns in the order of the getters.
class Store::Statement {
  public:
    Statement(sqlite3* database, const char* sql) : database_{database} {
        if (sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) != SQLITE_OK)
            fail();
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::span<const u8> bytes) {
        return check(sqlite3_bind_blob(statement_,
                                       ++bound_,
                                       bytes.empty() ? "" : static_cast<const void*>(bytes.data()),
                                       static_cast<int>(bytes.size()),
                                       SQLITE_TRANSIENT));
    }
    Statement& bind(const std::string& text) {
        return check(sqlite3_bind_text(
            statement_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
    }
    Statement& bind(i64 number) { return check(sqlite3_bind_int64(statement_, ++bound_, number)); }
    /// True when there is a row.
    bool step() {
        read_ = -1;
        const int result = sqlite3_step(statement_);
        if (result != SQLITE_ROW && result != SQLITE_DONE)
            fail();
        return result == SQLITE_ROW;
    }
    Bytes bytes() {
        ++read_;
        const auto* data = static_cast<const u8*>(sqlite3_column_blob(statement_, read_));
        return data == nullptr ? Bytes{}
                               : Bytes{data, data + sqlite3_column_bytes(statement_, read_)};
    }
    std::string text() {
        const Bytes raw = bytes();
        return {raw.begin(), raw.end()};
    }
    i64 number() { return sqlite3_column_int64(statement_, ++read_); }

  private:
    Statement& check(int result) {
        if (result != SQLITE_OK)
            fail();
        return *this;
    }
    [[noreturn]] void fail() const {
        throw StoreError{std::string{"verifier's store: "} + sqlite3_errmsg(database_)};
    }

    sqlite3* database_;
    sqlite3_stmt* statement_{nullptr};
    int bound_{0};
    int read_{-1};
};

void Store::Close::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

Store::Store(const std::filesystem::path& file) {
    sqlite3* database = nullptr;
    const int result = sqlite3_open(file.c_str(), &database);
    database_.reset(database);
    if (result != SQLITE_OK)
        throw StoreError{"cannot open " + file.string()};
    sqlite3_busy_timeout(database, 5000);
    execute(schema);
}

Store::~Store() = default;

void Store::execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
        throw StoreError{std::string{"verifier's store: "} + sqlite3_errmsg(database_.get())};
}

std::optional<Enrolment> Store::read_enrolment(Statement& query) {
    if (!query.step())
        return std::nullopt;
    Enrolment found;
    found.host = query.text();
    found.ek_fingerprint = query.bytes();
    found.ak_public = query.bytes();
    return found;
}

std::optional<Enrolment> Store::enrolment(const std::string& host) {
    Statement query{database_.get(), "SELECT host, ek, ak FROM enrolment WHERE host = ?"};
    query.bind(host);
    return read_enrolment(query);
}

std::optional<Enrolment> Store::enrolment_of_key(std::span<const u8> ek_fingerprint) {
    Statement query{database_.get(), "SELECT host, ek, ak FROM enrolment WHERE ek = ?"};
    query.bind(ek_fingerprint);
    return read_enrolment(query);
}

bool Store::enrol(const Enrolment& enrolment) {
    Statement insert{database_.get(),
                     "INSERT INTO enrolment (host, ek, ak) VALUES (?, ?, ?) ON CONFLICT DO "
                     "NOTHING"};
    insert.bind(enrolment.host).bind(enrolment.ek_fingerprint).bind(enrolment.ak_public).step();
    // Whoever came first stays.
    return this->enrolment(enrolment.host) == enrolment;
}

void Store::begin_enrolment(const Bytes& session,
                            const PendingEnrolment& pending,
                            Clock::time_point until) {
    Statement insert{database_.get(),
                     "INSERT INTO pending (session, host, ek, ak, credential, until) VALUES (?, ?, "
                     "?, ?, ?, ?)"};
    insert.bind(session)
        .bind(pending.enrolment.host)
        .bind(pending.enrolment.ek_fingerprint)
        .bind(pending.enrolment.ak_public)
        .bind(pending.credential)
        .bind(seconds(until))
        .step();
}

std::optional<PendingEnrolment> Store::take_enrolment(std::span<const u8> session,
                                                      Clock::time_point now) {
    Statement take{database_.get(),
                   "DELETE FROM pending WHERE session = ? RETURNING host, ek, ak, credential, "
                   "until"};
    take.bind(session);
    const auto enrolment = read_enrolment(take);
    if (!enrolment)
        return std::nullopt;
    PendingEnrolment pending{*enrolment, take.bytes()};
    const i64 until = take.number();
    while (take.step()) {
    }
    return until < seconds(now) ? std::nullopt : std::optional{std::move(pending)};
}

void Store::add_challenge(const Digest& nonce, const std::string& host, Clock::time_point until) {
    Statement insert{database_.get(),
                     "INSERT INTO challenge (nonce, host, until, used) VALUES (?, ?, ?, 0)"};
    insert.bind(nonce).bind(host).bind(seconds(until)).step();
}

NonceState
Store::spend_challenge(const Digest& nonce, const std::string& host, Clock::time_point now) {
    // One statement, so that of two who spend the same nonce one finds it used.
    Statement spend{database_.get(),
                    "UPDATE challenge SET used = used + 1 WHERE nonce = ? AND host = ? RETURNING "
                    "used, until"};
    spend.bind(nonce).bind(host);
    if (!spend.step())
        return NonceState::unknown;
    const i64 used = spend.number();
    const i64 until = spend.number();
    while (spend.step()) {
    }
    if (used > 1)
        return NonceState::used;
    return until < seconds(now) ? NonceState::expired : NonceState::fresh;
}

void Store::prune(Clock::time_point now) {
    // Long enough after its end that a late answer still hears "expired".
    constexpr i64 memory = 3600;
    for (const char* sql :
         {"DELETE FROM challenge WHERE until < ?", "DELETE FROM pending WHERE until < ?"})
        Statement{database_.get(), sql}.bind(seconds(now) - memory).step();
}

void Store::audit(Clock::time_point when,
                  const std::string& what,
                  const std::string& host,
                  const std::string& detail) {
    execute("BEGIN IMMEDIATE");
    try {
        i64 number = 1;
        Bytes before;
        {
            Statement last{database_.get(),
                           "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"};
            if (last.step()) {
                number = last.number() + 1;
                before = last.bytes();
            }
        }
        const i64 time = seconds(when);
        Statement{database_.get(),
                  "INSERT INTO audit (number, time, what, host, detail, hash) VALUES (?, ?, ?, ?, "
                  "?, ?)"}
            .bind(number)
            .bind(time)
            .bind(what)
            .bind(host)
            .bind(detail)
            .bind(entry_hash(before, number, time, {what, host, detail}))
            .step();
        execute("COMMIT");
    } catch (...) {
        sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        throw;
    }
}

bool Store::audit_is_whole() {
    Statement all{database_.get(),
                  "SELECT number, time, what, host, detail, hash FROM audit ORDER BY number"};
    Bytes before;
    for (i64 expected = 1; all.step(); ++expected) {
        const i64 number = all.number();
        const i64 time = all.number();
        const std::string what = all.text();
        const std::string host = all.text();
        const std::string detail = all.text();
        const Bytes hash = all.bytes();
        if (number != expected || hash != entry_hash(before, number, time, {what, host, detail}))
            return false;
        before = hash;
    }
    return true;
}

usize Store::audit_size() {
    Statement count{database_.get(), "SELECT COUNT(*) FROM audit"};
    return count.step() ? static_cast<usize>(count.number()) : 0;
}

} // namespace ravelin::attest

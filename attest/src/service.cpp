// SPDX-License-Identifier: Apache-2.0
// See the header. Whatever is not in order is refused in words; nothing of the evidence is believed
// before verify() has judged it, and the nonce is spent whatever the judgement.
#include "attest/service.hpp"

#include <wire/attestation_key.hpp>
#include <wire/statement.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace ravelin::attest {
namespace {

using Json = nlohmann::json;

constexpr usize longest_host = 63;
constexpr usize largest_certificate = 8192;
constexpr usize largest_public = 1024;
constexpr usize secret_size = 32;

/// Labels of host names: what may stand in logs, file names and tables without quoting.
bool is_host(const std::string& text) {
    return !text.empty() && text.size() <= longest_host &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
           });
}

std::string text_of(const Json& json, const char* name) {
    const bool there = json.is_object() && json.contains(name) && json.at(name).is_string();
    return there ? json.at(name).get<std::string>() : std::string{};
}

std::optional<Bytes> bytes_of(const Json& json, const char* name, usize largest) {
    auto bytes = from_base64(text_of(json, name));
    if (!bytes || bytes->empty() || bytes->size() > largest)
        return std::nullopt;
    return bytes;
}

Bytes random_bytes(usize size) {
    Bytes bytes(size);
    if (RAND_bytes(bytes.data(), static_cast<int>(size)) != 1)
        throw std::runtime_error{"no randomness"};
    return bytes;
}

HttpResponse answer(const Json& json) {
    return {200, "application/json", json.dump() + "\n"};
}

std::string_view describe(NonceState state) {
    switch (state) {
    case NonceState::fresh:
        return "a fresh nonce of ours";
    case NonceState::unknown:
        return "a nonce that was not given to this host";
    case NonceState::used:
        return "a nonce that was used before";
    case NonceState::expired:
        return "a nonce that has expired";
    }
    return "unknown";
}

std::string last_line(const std::string& table) {
    const std::size_t end = table.find_last_not_of('\n');
    const std::size_t start = table.rfind('\n', end);
    return table.substr(start + 1, end - start);
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '&')
            out += "&amp;";
        else
            out += c;
    }
    return out;
}

} // namespace

Service::Service(Config config, Store& store, Manufacturers manufacturers, TokenSigner signer)
    : config_{std::move(config)}, store_{store},
      manufacturers_{std::move(manufacturers)}, signer_{std::move(signer)} {}

HttpResponse Service::handle(const HttpRequest& request, Clock::time_point now) {
    using Handler = HttpResponse (Service::*)(const std::string&, Clock::time_point);
    static const std::map<std::string, Handler> posts{
        {"/v1/enrol/begin", &Service::begin_enrolment},
        {"/v1/enrol/complete", &Service::complete_enrolment},
        {"/v1/challenge", &Service::challenge},
        {"/v1/evidence", &Service::judge}};
    if (const auto found = posts.find(request.target); found != posts.end()) {
        if (request.method != "POST")
            return bad_request(405, "use POST");
        store_.prune(now);
        return (this->*found->second)(request.body, now);
    }
    if (request.method != "GET")
        return bad_request(404, "no such resource");
    if (request.target == "/metrics")
        return {200, "text/plain; version=0.0.4", metrics()};
    if (request.target == "/healthz")
        return {200, "text/plain", "ok\n"};
    if (request.target == "/")
        return {200, "text/html; charset=utf-8", page()};
    return bad_request(404, "no such resource");
}

HttpResponse Service::bad_request(unsigned status, const std::string& why) {
    ++counters_.bad_requests;
    HttpResponse response = answer({{"error", why}});
    response.status = status;
    return response;
}

HttpResponse Service::begin_enrolment(const std::string& body, Clock::time_point now) {
    const Json json = Json::parse(body, nullptr, false);
    const std::string host = text_of(json, "host");
    if (!is_host(host))
        return bad_request(400, "'host' is no host name of lower-case letters, digits, '-', '.'");
    const auto certificate = bytes_of(json, "ek_certificate", largest_certificate);
    const auto ek_public = bytes_of(json, "ek_public", largest_public);
    const auto ak_public = bytes_of(json, "ak_public", largest_public);
    if (!certificate || !ek_public || !ak_public)
        return bad_request(400, "ek_certificate, ek_public or ak_public is no base64 or too long");
    const auto key = EndorsementKey::accept(*certificate, *ek_public, manufacturers_);
    if (!key)
        return refuse_enrolment(host, key.error(), now);
    if (wire::attestation_key::template_of(*ak_public) == nullptr)
        return refuse_enrolment(
            host, "the attestation key is not of the template of Ravelin's AK-S or AK-D", now);
    const Enrolment enrolment{host, key.value().fingerprint(), *ak_public};
    const auto known = store_.enrolment(host);
    const auto same_key = store_.enrolment_of_key(enrolment.ek_fingerprint);
    if ((known && *known != enrolment) || (same_key && *same_key != enrolment))
        return refuse_enrolment(
            host, "this host or this TPM is enrolled with other keys; that is not changed", now);

    const Bytes value = random_bytes(secret_size);
    const Bytes session = random_bytes(secret_size);
    const auto credential = key.value().make_credential(name_of(*ak_public), value);
    if (!credential)
        return bad_request(500, credential.error());
    store_.begin_enrolment(session, {enrolment, value}, now + config_.challenge_lifetime);
    return answer({{"session", to_hex(session)},
                   {"blob", to_base64(credential.value().blob)},
                   {"secret", to_base64(credential.value().secret)}});
}

HttpResponse Service::complete_enrolment(const std::string& body, Clock::time_point now) {
    const Json json = Json::parse(body, nullptr, false);
    const auto session = from_hex(text_of(json, "session"));
    const auto credential = bytes_of(json, "credential", secret_size);
    if (!session || !credential)
        return bad_request(400, "'session' or 'credential' is missing or malformed");
    const auto pending = store_.take_enrolment(*session, now);
    if (!pending)
        return bad_request(410, "this enrolment was never begun, was answered, or has expired");
    const std::string& host = pending->enrolment.host;
    if (credential->size() != pending->credential.size() ||
        CRYPTO_memcmp(credential->data(), pending->credential.data(), credential->size()) != 0)
        return refuse_enrolment(host, "the credential was not opened by this TPM", now);
    if (!store_.enrol(pending->enrolment))
        return refuse_enrolment(
            host, "this host or this TPM is enrolled with other keys; that is not changed", now);
    ++counters_.enrolled;
    store_.audit(now, "enrolled", host, to_hex(pending->enrolment.ek_fingerprint));
    return answer({{"host", host}});
}

HttpResponse
Service::refuse_enrolment(const std::string& host, const std::string& why, Clock::time_point now) {
    ++counters_.enrolments_refused;
    Judged judged{host, {}, {}, {}, {}};
    judged.verdict.fail("enrolment.endorsement",
                        "a TPM of an accepted manufacturer, with the attestation key in it",
                        why,
                        "endorsement key");
    store_.audit(now, "enrolment refused", host, why);
    last_[host] = "enrolment refused: " + why;
    config_.watch(judged);
    return {403, "application/json", Json{{"error", "enrolment refused: " + why}}.dump() + "\n"};
}

HttpResponse Service::challenge(const std::string& body, Clock::time_point now) {
    const std::string host = text_of(Json::parse(body, nullptr, false), "host");
    if (!is_host(host) || !store_.enrolment(host))
        return bad_request(404, "no such host is enrolled");
    const Bytes random = random_bytes(Digest{}.size());
    Digest nonce{};
    std::copy(random.begin(), random.end(), nonce.begin());
    store_.add_challenge(nonce, host, now + config_.challenge_lifetime);
    ++counters_.challenges;
    return answer({{"nonce", to_hex(nonce)}, {"seconds", config_.challenge_lifetime.count()}});
}

HttpResponse Service::judge(const std::string& body, Clock::time_point now) {
    const auto evidence = decode_evidence(body);
    if (!evidence)
        return bad_request(400, evidence.error());
    Judged judged{evidence.value().host, {}, body, {}, {}};
    const auto known =
        is_host(judged.host) ? store_.enrolment(judged.host) : std::optional<Enrolment>{};
    if (!known)
        return bad_request(404, "no such host is enrolled");
    judged.ak_public = known->ak_public;
    const auto statement = wire::decode_statement(evidence.value().statement);
    if (!statement) {
        judged.verdict.fail(
            "statement.form", "a statement", "bytes that do not decode", "statement");
        return conclude(std::move(judged), now);
    }
    judged.nonce = statement.value().nonce;
    const NonceState state = store_.spend_challenge(*judged.nonce, judged.host, now);
    if (state != NonceState::fresh) {
        judged.verdict.fail("statement.nonce",
                            std::string{describe(NonceState::fresh)},
                            std::string{describe(state)},
                            "nonce");
        return conclude(std::move(judged), now);
    }
    judged.verdict = verify(evidence.value(), {*judged.nonce, known->ak_public, config_.reference});
    if (evidence.value().ak_public != known->ak_public)
        judged.verdict.fail(
            "evidence.key", "the enrolled attestation key", "another one", "evidence.ak_public");
    return conclude(std::move(judged), now);
}

HttpResponse Service::conclude(Judged judged, Clock::time_point now) {
    const bool trusted = judged.verdict.trusted();
    ++(trusted ? counters_.trusted : counters_.untrusted);
    const std::string line = last_line(as_table(judged.verdict, judged.host));
    store_.audit(now, "attestation", judged.host, line);
    last_[judged.host] = line;
    config_.watch(judged);
    Json json{{"verdict", Json::parse(as_json(judged.verdict, judged.host))}};
    if (trusted)
        json["token"] = token_for(judged, now);
    return answer(json);
}

std::string Service::token_for(const Judged& judged, Clock::time_point now) const {
    const i64 issued =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const Json claims{{"iss", "ravelin-verifier"},
                      {"sub", judged.host},
                      {"iat", issued},
                      {"exp", issued + config_.token_lifetime.count()},
                      {"eat_nonce", to_hex(*judged.nonce)},
                      {"measres", "trusted"},
                      {"manifest", to_hex(config_.reference.manifest)}};
    const auto token = signer_.sign(claims.dump());
    if (!token)
        throw std::runtime_error{token.error()};
    return token.value();
}

std::string Service::metrics() const {
    std::string text;
    const auto add = [&text](const char* name, const char* help, u64 value) {
        const std::string full = std::string{"ravelin_verifier_"} + name;
        text += "# HELP " + full + " " + help + "\n# TYPE " + full + " counter\n" + full + " " +
                std::to_string(value) + "\n";
    };
    add("enrolled_total", "Hosts enrolled.", counters_.enrolled);
    add("enrolments_refused_total", "Enrolments refused.", counters_.enrolments_refused);
    add("challenges_total", "Challenges given out.", counters_.challenges);
    add("trusted_total", "Attestations that ended TRUSTED.", counters_.trusted);
    add("untrusted_total", "Attestations that ended UNTRUSTED.", counters_.untrusted);
    add("bad_requests_total", "Requests that were none.", counters_.bad_requests);
    return text;
}

std::string Service::page() const {
    std::string text = "<!doctype html><title>Ravelin verifier</title><h1>Ravelin verifier</h1>"
                       "<table><tr><th>host<th>last verdict</tr>";
    for (const auto& [host, line] : last_)
        text += "<tr><td>" + escaped(host) + "<td>" + escaped(line) + "</tr>";
    return text + "</table>\n";
}

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// The verifier's protocol, without the network: requests in, answers out. Enrolment in two steps,
// challenges, judgement of evidence. JSON, version 1:
//   POST /v1/enrol/begin    {host, ek_certificate, ek_public, ak_public} → {session, blob, secret}
//   POST /v1/enrol/complete {session, credential} → {host}
//   POST /v1/challenge      {host} → {nonce, seconds}
//   POST /v1/evidence       evidence → {verdict, token when TRUSTED}
//   GET  /, /healthz, /metrics
#pragma once

#include "attest/endorsement.hpp"
#include "attest/identity.hpp"
#include "attest/store.hpp"
#include "attest/verify.hpp"

#include <functional>

namespace ravelin::attest {

struct HttpRequest {
    std::string method;
    std::string target;
    std::string body;
};
struct HttpResponse {
    unsigned status{200};
    std::string content_type{"application/json"};
    std::string body;
};

/// One judgement, for whoever watches: the console, a file.
struct Judged {
    std::string host;
    Verdict verdict;
    std::string evidence;           ///< as it came; empty for a refused enrolment
    std::optional<Digest> nonce;    ///< of the challenge
    std::optional<Bytes> ak_public; ///< the enrolled one
};

class Service {
  public:
    struct Config {
        Reference reference;
        std::chrono::seconds challenge_lifetime{120};
        std::chrono::seconds token_lifetime{300};
        std::function<void(const Judged&)> watch{[](const Judged&) {}};
    };
    Service(Config config, Store& store, Manufacturers manufacturers, TokenSigner signer);

    /// One thread at a time. StoreError is answered with 503 by the caller.
    [[nodiscard]] HttpResponse handle(const HttpRequest& request, Clock::time_point now);

  private:
    struct Counters {
        u64 enrolled{0};
        u64 enrolments_refused{0};
        u64 challenges{0};
        u64 trusted{0};
        u64 untrusted{0};
        u64 bad_requests{0};
    };

    HttpResponse begin_enrolment(const std::string& body, Clock::time_point now);
    HttpResponse complete_enrolment(const std::string& body, Clock::time_point now);
    HttpResponse challenge(const std::string& body, Clock::time_point now);
    HttpResponse judge(const std::string& body, Clock::time_point now);
    HttpResponse conclude(Judged judged, Clock::time_point now);
    HttpResponse
    refuse_enrolment(const std::string& host, const std::string& why, Clock::time_point now);
    HttpResponse bad_request(unsigned status, const std::string& why);
    [[nodiscard]] std::string token_for(const Judged& judged, Clock::time_point now) const;
    [[nodiscard]] std::string metrics() const;
    [[nodiscard]] std::string page() const;

    Config config_;
    Store& store_;
    Manufacturers manufacturers_;
    TokenSigner signer_;
    Counters counters_;
    std::map<std::string, std::string> last_; ///< host → its last verdict's last line
};

} // namespace ravelin::attest

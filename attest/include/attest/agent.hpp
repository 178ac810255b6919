// SPDX-License-Identifier: Apache-2.0
// Domain 0's part in attestation: it enrols the platform with a verifier and carries challenges and
// evidence. A relay without secrets: what it could alter, the verifier sees.
#pragma once

#include "attest/control_channel.hpp"

namespace ravelin::attest {

/// Sends requests to a verifier.
class VerifierLink {
  public:
    VerifierLink() = default;
    virtual ~VerifierLink() = default;
    VerifierLink(const VerifierLink&) = delete;
    VerifierLink& operator=(const VerifierLink&) = delete;

    struct Answer {
        unsigned status;
        std::string body;
    };
    /// POST of JSON; the error says why there is no answer.
    [[nodiscard]] virtual Result<Answer, std::string> post(const std::string& target,
                                                           const std::string& body) = 0;
};

/// HTTPS to `url` ("https://ADDRESS:PORT"), TLS 1.3, for a server that `ca` (PEM) vouches for.
[[nodiscard]] Result<std::unique_ptr<VerifierLink>, std::string>
connect_https(const std::string& url, const std::string& ca);

/// Credential activation: afterwards the verifier knows that this TPM holds the attestation key.
[[nodiscard]] Status<std::string>
enrol(ControlChannel& channel, VerifierLink& verifier, const std::string& host);

struct Attested {
    bool trusted;
    std::string verdict; ///< JSON
    std::string token;   ///< empty unless trusted
};
/// A challenge, a statement, the logs, the verdict.
[[nodiscard]] Result<Attested, std::string>
attest_platform(ControlChannel& channel, VerifierLink& verifier, const std::string& host);

} // namespace ravelin::attest

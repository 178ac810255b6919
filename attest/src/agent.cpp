// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "attest/agent.hpp"

#include "attest/evidence.hpp"
#include "attest/platform_tpm.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ravelin::attest {
namespace {

using Json = nlohmann::json;

/// The verifier's JSON when it agreed; its words when it did not.
Result<Json, std::string>
ask(VerifierLink& verifier, const std::string& target, const std::string& body) {
    const auto answer = RAVELIN_TRY(verifier.post(target, body));
    Json json = Json::parse(answer.body, nullptr, false);
    if (!json.is_object())
        return Failure{target + ": the verifier's answer is not JSON"};
    if (answer.status != 200)
        return Failure{target + ": " + std::to_string(answer.status) + " " +
                       (json.contains("error") ? json["error"].dump() : "")};
    return json;
}

Result<std::string, std::string> text_of(const Json& json, const char* name) {
    if (!json.contains(name) || !json.at(name).is_string())
        return Failure{std::string{"the verifier's answer has no '"} + name + "'"};
    return json.at(name).get<std::string>();
}

Result<Bytes, std::string> bytes_of(const Json& json, const char* name) {
    const std::string text = RAVELIN_TRY(text_of(json, name));
    const auto bytes = from_base64(text);
    if (!bytes)
        return Failure{std::string{"the verifier's '"} + name + "' is not base64"};
    return *bytes;
}

} // namespace

Status<std::string>
enrol(ControlChannel& channel, VerifierLink& verifier, const std::string& host) {
    PlatformTpm tpm = RAVELIN_TRY(PlatformTpm::open(channel));
    const Bytes certificate = RAVELIN_TRY(tpm.endorsement_certificate());
    const Bytes ek_public = RAVELIN_TRY(tpm.endorsement_public());
    const Bytes ak_public = RAVELIN_TRY(tpm.attestation_public());
    const Json request{{"host", host},
                       {"ek_certificate", to_base64(certificate)},
                       {"ek_public", to_base64(ek_public)},
                       {"ak_public", to_base64(ak_public)}};
    const Json begun = RAVELIN_TRY(ask(verifier, "/v1/enrol/begin", request.dump()));
    const std::string session = RAVELIN_TRY(text_of(begun, "session"));
    const Bytes blob = RAVELIN_TRY(bytes_of(begun, "blob"));
    const Bytes secret = RAVELIN_TRY(bytes_of(begun, "secret"));
    const Bytes value = RAVELIN_TRY(tpm.activate_credential(blob, secret));
    const Json completion{{"session", session}, {"credential", to_base64(value)}};
    (void)RAVELIN_TRY(ask(verifier, "/v1/enrol/complete", completion.dump()));
    return Unit{};
}

Result<Attested, std::string>
attest_platform(ControlChannel& channel, VerifierLink& verifier, const std::string& host) {
    const Json challenge = RAVELIN_TRY(ask(verifier, "/v1/challenge", Json{{"host", host}}.dump()));
    const std::string nonce_text = RAVELIN_TRY(text_of(challenge, "nonce"));
    const auto nonce_bytes = from_hex(nonce_text);
    Digest nonce{};
    if (!nonce_bytes || nonce_bytes->size() != nonce.size())
        return Failure{std::string{"the verifier's nonce is malformed"}};
    std::ranges::copy(*nonce_bytes, nonce.begin());

    const Bytes blob = RAVELIN_TRY(request_statement(channel, nonce));
    Evidence evidence = RAVELIN_TRY(evidence_from_blob(blob));
    evidence.host = host;
    evidence.firmware_log = RAVELIN_TRY(read_log(channel, wire::control::Log::firmware));
    evidence.ravelin_log = RAVELIN_TRY(read_log(channel, wire::control::Log::ravelin));
    PlatformTpm tpm = RAVELIN_TRY(PlatformTpm::open(channel));
    evidence.ak_public = RAVELIN_TRY(tpm.attestation_public());

    const Json answer = RAVELIN_TRY(ask(verifier, "/v1/evidence", encode_evidence(evidence)));
    if (!answer.contains("verdict") || !answer["verdict"].is_object())
        return Failure{std::string{"the verifier's answer has no verdict"}};
    const Json& verdict = answer["verdict"];
    const std::string word = RAVELIN_TRY(text_of(verdict, "verdict"));
    const std::string token =
        answer.contains("token") ? RAVELIN_TRY(text_of(answer, "token")) : std::string{};
    return Attested{word == "TRUSTED", verdict.dump(2), token};
}

} // namespace ravelin::attest

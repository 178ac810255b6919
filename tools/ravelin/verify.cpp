// SPDX-License-Identifier: Apache-2.0
// ravelin verify FILE: the verifier's judgement of captured evidence, offline.
#include "commands.hpp"

#include <attest/enrolled_key.hpp>
#include <attest/verify.hpp>

#include <algorithm>
#include <iostream>
#include <memory>

namespace ravelin::tools {
namespace {

struct Options {
    std::string evidence;
    std::string nonce;
    std::string key;
    std::string reference;
    bool json{false};
};

attest::Digest parse_nonce(const std::string& text) {
    const auto bytes = attest::from_hex(text);
    attest::Digest nonce{};
    if (!bytes || bytes->size() != nonce.size())
        throw std::runtime_error{"--nonce takes 64 lower-case hexadecimal digits"};
    std::copy(bytes->begin(), bytes->end(), nonce.begin());
    return nonce;
}

} // namespace

void add_verify(CLI::App& app) {
    const auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("verify", "judge captured evidence");
    command->add_option("evidence", options->evidence, "evidence, JSON")->required();
    command->add_option("--nonce", options->nonce, "of the challenge, hexadecimal")->required();
    command->add_option("--ak", options->key, "the enrolled attestation key, JSON")->required();
    command->add_option("--reference", options->reference, "made by ravelin predict")->required();
    command->add_flag("--json", options->json, "the verdict as JSON");
    command->callback([options] {
        const attest::Expectation expectation{
            parse_nonce(options->nonce),
            or_throw(attest::decode_enrolled_key(read_text(options->key)), options->key).ak_public,
            or_throw(attest::decode_reference(read_text(options->reference)), options->reference)};
        const auto evidence = attest::decode_evidence(read_text(options->evidence));
        attest::Verdict verdict;
        if (evidence)
            verdict = attest::verify(evidence.value(), expectation);
        else
            verdict.fail("evidence.form", "evidence of version 1", evidence.error(), "evidence");
        const std::string host = evidence ? evidence.value().host : "?";
        std::cout << (options->json ? as_json(verdict, host) : as_table(verdict, host));
        if (!verdict.trusted())
            throw Refusal{};
    });
}

} // namespace ravelin::tools

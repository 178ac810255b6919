// SPDX-License-Identifier: Apache-2.0
// The verifier's judgement of evidence. Everything is replayed from zero; nothing of the evidence
// is used before the quote has confirmed it; what could not be looked at counts as failed.
#pragma once

#include "attest/quote.hpp"
#include "attest/reference.hpp"

namespace ravelin::attest {

/// What the verifier knows by itself: the challenge it sent, the key it enrolled, what the platform
/// should look like.
struct Expectation {
    Digest nonce;
    Bytes ak_public; ///< TPMT_PUBLIC
    Reference reference;
};

[[nodiscard]] Verdict verify(const Evidence& evidence, const Expectation& expectation);

} // namespace ravelin::attest

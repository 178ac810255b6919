// SPDX-License-Identifier: Apache-2.0
// Hostile evidence, references and quotes: what decodes as evidence or a reference, encodes and
// decodes to the same; judging it ends UNTRUSTED.
#include <attest/enrolled_key.hpp>
#include <attest/verify.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    // SAFETY: char and u8 are both bytes; the view only reads.
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    (void)attest::decode_quote({data, size});
    if (const auto reference = attest::decode_reference(text)) {
        const std::string once = attest::encode_reference(reference.value());
        const auto again = attest::decode_reference(once);
        if (!again || attest::encode_reference(again.value()) != once)
            std::abort();
    }
    (void)attest::firmware_reference(text);
    (void)attest::decode_enrolled_key(text);
    const auto evidence = attest::decode_evidence(text);
    if (!evidence)
        return 0;
    const std::string encoded = attest::encode_evidence(evidence.value());
    const auto again = attest::decode_evidence(encoded);
    if (!again || attest::encode_evidence(again.value()) != encoded)
        std::abort();
    const attest::Verdict verdict = attest::verify(evidence.value(), {});
    (void)attest::as_json(verdict, evidence.value().host);
    if (verdict.trusted())
        std::abort();
    return 0;
}

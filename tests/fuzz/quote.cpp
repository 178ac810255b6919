// SPDX-License-Identifier: Apache-2.0
// Hostile quotes and signatures, and the blob the control hypercall returns.
#include <attest/quote.hpp>
#include <wire/attestation_key.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> bytes{data, size};
    (void)attest::decode_quote(bytes);
    // The template's point is not on the curve: no signature may hold under it.
    if (attest::signature_holds(wire::attestation_key::ak_s.public_area, {}, bytes))
        std::abort();
    (void)attest::evidence_from_blob(bytes);
    return 0;
}

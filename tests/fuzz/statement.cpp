// SPDX-License-Identifier: Apache-2.0
// Hostile statements and evidence: what decodes, encodes to the same bytes.
#include <wire/control.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> bytes{data, size};
    std::vector<u8> buffer(size + 16);
    const auto same = [&](const auto& decoded) {
        if (!decoded.is_ok())
            return;
        const auto encoded = wire::encode(decoded.value(), buffer);
        if (!encoded.is_ok() || !std::ranges::equal(encoded.value(), bytes))
            std::abort();
    };
    same(wire::decode_statement(bytes));
    same(wire::decode_evidence(bytes));
    (void)wire::control::decode_info(bytes);
    (void)wire::control::decode_log_request(bytes);
    (void)wire::control::decode_statement_request(bytes);
    return 0;
}

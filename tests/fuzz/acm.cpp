// SPDX-License-Identifier: Apache-2.0
// Hostile authenticated code modules: what decodes lies inside the input.
#include <wire/acm.hpp>

#include <cstdlib>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> module{data, size};
    const auto decoded = wire::decode_acm(module);
    if (!decoded) {
        if (wire::text(decoded.error()).empty())
            std::abort();
        return 0;
    }
    const wire::Acm& acm = decoded.value();
    const auto inside = [&](std::span<const u8> part) {
        return part.data() >= data && part.data() + part.size() <= data + size;
    };
    if (!inside(acm.public_key) || !inside(acm.signature) || !inside(acm.signed_head) ||
        !inside(acm.signed_rest) || acm.signed_head.size() != wire::Acm::signed_head_size)
        std::abort();
    return 0;
}

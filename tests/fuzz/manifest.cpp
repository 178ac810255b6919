// SPDX-License-Identifier: Apache-2.0
// Hostile launch manifests: what decodes, encodes to the same bytes.
#include <wire/manifest.hpp>

#include <algorithm>
#include <cstdlib>
#include <vector>

using namespace ravelin;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> bytes{data, size};
    const auto manifest = wire::Manifest::decode(bytes);
    if (!manifest.is_ok())
        return 0;
    std::vector<wire::ManifestDomain> domains;
    for (usize i = 0; i < manifest.value().domain_count(); ++i)
        domains.push_back(manifest.value().domain(i));
    std::vector<u8> buffer(size);
    const auto encoded = wire::encode_manifest(
        manifest.value().platform(), manifest.value().policy(), domains, buffer);
    if (!encoded.is_ok() || !std::ranges::equal(encoded.value(), bytes))
        std::abort();
    return 0;
}

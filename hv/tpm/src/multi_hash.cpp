// SPDX-License-Identifier: Apache-2.0
// The four hashes side by side, over pieces that stay in the cache between one and the next.
#include "hv/tpm/multi_hash.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::Algorithm;

namespace {
constexpr usize piece = 16 * 1024;
}

void MultiHash::update(std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const auto now = bytes.first(bytes.size() < piece ? bytes.size() : piece);
        bytes = bytes.subspan(now.size());
        sha256_.update(now);
        if (banks_.has(Algorithm::sha1))
            sha1_.update(now);
        if (banks_.has(Algorithm::sha384))
            sha384_.update(now);
        if (banks_.has(Algorithm::sha512))
            sha512_.update(now);
    }
}

MultiHash::Result MultiHash::finish() {
    Result out;
    out.sha256 = sha256_.finish();
    for (const auto bank : banks_.known) {
        Digest digest{.algorithm = bank, .bytes = {}};
        const auto keep = [&digest](const auto& bytes) {
            for (usize i = 0; i < bytes.size(); ++i)
                digest.bytes[i] = bytes[i];
        };
        switch (bank) {
        case Algorithm::sha1:
            keep(sha1_.finish());
            break;
        case Algorithm::sha384:
            keep(sha384_.finish());
            break;
        case Algorithm::sha512:
            keep(sha512_.finish());
            break;
        default:
            keep(out.sha256);
            break;
        }
        ensure(out.digests.push_back(digest), "one digest a bank");
    }
    return out;
}

} // namespace ravelin::hv::tpm

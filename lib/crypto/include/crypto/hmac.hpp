// SPDX-License-Identifier: Apache-2.0
// HMAC over one of the hashes, as a stream. [FIPS 198-1]
#pragma once

#include <crypto/sha.hpp>

namespace ravelin::crypto {

template <typename Hash> class Hmac {
  public:
    using Digest = typename Hash::Digest;

    explicit Hmac(std::span<const u8> key) {
        Digest short_key{};
        if (key.size() > Hash::block_size) {
            short_key = hash<Hash>(key);
            key = short_key;
        }
        std::array<u8, Hash::block_size> inner{};
        std::array<u8, Hash::block_size> outer{};
        for (usize i = 0; i < Hash::block_size; ++i) {
            const u8 byte = i < key.size() ? key[i] : u8{0};
            inner[i] = byte ^ 0x36;
            outer[i] = byte ^ 0x5c;
        }
        inner_.update(inner);
        outer_.update(outer);
    }
    void update(std::span<const u8> bytes) { inner_.update(bytes); }
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Digest finish() {
        outer_.update(inner_.finish());
        return outer_.finish();
    }

  private:
    Hash inner_;
    Hash outer_;
};
using HmacSha256 = Hmac<Sha256>;

} // namespace ravelin::crypto

// SPDX-License-Identifier: Apache-2.0
// One pass over memory, a digest for every active bank.
#pragma once

#include <crypto/sha.hpp>
#include <hv/tpm/tpm.hpp>

namespace ravelin::hv::tpm {

/// SHA-256 is always computed: the launch manifest's digest goes into statements whatever the
/// banks.
class MultiHash {
  public:
    explicit MultiHash(const Banks& banks) : banks_{banks} {}

    void update(std::span<const u8> bytes);

    struct Result {
        Sha256Digest sha256{};
        Digests digests; ///< in the banks' order
    };
    /// Ends the stream; the object is then used up.
    [[nodiscard]] Result finish();

  private:
    const Banks& banks_;
    crypto::Sha1 sha1_;
    crypto::Sha256 sha256_;
    crypto::Sha384 sha384_;
    crypto::Sha512 sha512_;
};

} // namespace ravelin::hv::tpm

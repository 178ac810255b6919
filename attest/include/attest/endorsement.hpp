// SPDX-License-Identifier: Apache-2.0
// Whose TPM it is: the endorsement key's certificate against the manufacturers that the operator
// accepts, and a credential that only that TPM, holding that attestation key, can open. [TCG EK
// Credential Profile 2.5; TPM 2.0 part 1, 24 and B.10.3]
#pragma once

#include "attest/text.hpp"

#include <base/result.hpp>

#include <memory>

namespace ravelin::attest {

/// Certificates of manufacturers: roots and what is between them and an EK certificate.
class Manufacturers {
  public:
    Manufacturers();
    ~Manufacturers();
    Manufacturers(Manufacturers&&) noexcept;
    Manufacturers& operator=(Manufacturers&&) noexcept;

    /// Adds every certificate of a PEM text; the error says why none was added.
    [[nodiscard]] Status<std::string> trust(const std::string& pem);

  private:
    friend class EndorsementKey;
    struct Store;
    std::unique_ptr<Store> store_;
};

/// An RSA endorsement key with a certificate that somebody accepted stands behind.
class EndorsementKey {
  public:
    /// `certificate`: X.509 in DER; `public_area`: the TPMT_PUBLIC of the key that the TPM uses,
    /// which must be the certificate's.
    [[nodiscard]] static Result<EndorsementKey, std::string>
    accept(std::span<const u8> certificate,
           std::span<const u8> public_area,
           const Manufacturers& manufacturers);

    EndorsementKey(EndorsementKey&&) noexcept;
    EndorsementKey& operator=(EndorsementKey&&) noexcept;
    ~EndorsementKey();

    struct Credential {
        Bytes blob;   ///< TPM2B_ID_OBJECT
        Bytes secret; ///< TPM2B_ENCRYPTED_SECRET
    };
    /// TPM2_MakeCredential in software: `value` (at most 32 bytes) for the object named `name`.
    [[nodiscard]] Result<Credential, std::string> make_credential(std::span<const u8> name,
                                                                  std::span<const u8> value) const;

    /// SHA-256 of the key's SubjectPublicKeyInfo: its identity.
    [[nodiscard]] const Bytes& fingerprint() const { return fingerprint_; }

  private:
    EndorsementKey();
    struct Key;
    std::unique_ptr<Key> key_;
    Bytes fingerprint_;
};

/// nameAlg ‖ SHA-256(TPMT_PUBLIC). [TPM 2.0 part 1, 16]
[[nodiscard]] Bytes name_of(std::span<const u8> public_area);

} // namespace ravelin::attest

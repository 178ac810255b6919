// SPDX-License-Identifier: Apache-2.0
// What the agent needs of the TPM: who it is (EK and certificate), the hypervisor's attestation
// key, and the opening of a credential. Through domain 0's filtered channel; no secret of ours is
// in it. [TCG EK Credential Profile 2.5]
#pragma once

#include "attest/tcti.hpp"

namespace ravelin::attest {

class PlatformTpm {
  public:
    [[nodiscard]] static Result<PlatformTpm, std::string> open(ControlChannel& channel);
    PlatformTpm(PlatformTpm&&) noexcept;
    PlatformTpm& operator=(PlatformTpm&&) noexcept;
    ~PlatformTpm();

    /// X.509, DER, from NV index 0x01c00002 (RSA).
    [[nodiscard]] Result<Bytes, std::string> endorsement_certificate();
    /// TPMT_PUBLIC of the RSA endorsement key of the default template; made at the first call.
    [[nodiscard]] Result<Bytes, std::string> endorsement_public();
    /// TPMT_PUBLIC of AK-S.
    [[nodiscard]] Result<Bytes, std::string> attestation_public();
    /// TPM2_ActivateCredential of AK-S: `blob` a TPM2B_ID_OBJECT, `secret` a
    /// TPM2B_ENCRYPTED_SECRET.
    [[nodiscard]] Result<Bytes, std::string> activate_credential(std::span<const u8> blob,
                                                                 std::span<const u8> secret);

  private:
    PlatformTpm();
    struct Esys;
    std::unique_ptr<Esys> esys_;
};

} // namespace ravelin::attest

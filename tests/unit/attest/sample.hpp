// SPDX-License-Identifier: Apache-2.0
// A platform that does not exist, with evidence that does: the event log of a real boot of the
// emulated server (data/firmware_log.bin: OVMF, GRUB, Ravelin with three modules), a launch log of
// our own, and a quote signed by a key made for the test.
#pragma once

#include <attest/log.hpp>
#include <attest/verify.hpp>

#include <openssl/evp.h>

namespace ravelin::attest {

/// data/firmware_log.bin.
[[nodiscard]] Bytes real_firmware_log();
/// A launch manifest of domain 0 alone: dom0.kernel, dom0.initrd, a command line.
[[nodiscard]] Bytes sample_manifest();

class SamplePlatform {
  public:
    /// srtm, or drtm: SINIT's and tboot's events before Ravelin's, in one log.
    explicit SamplePlatform(wire::Launch launch = wire::Launch::srtm);
    ~SamplePlatform();
    SamplePlatform(const SamplePlatform&) = delete;
    SamplePlatform& operator=(const SamplePlatform&) = delete;

    /// Evidence and expectation that agree.
    [[nodiscard]] Evidence evidence(const Digest& nonce) const;
    [[nodiscard]] Expectation expectation(const Digest& nonce) const;
    /// The statement as the hypervisor writes it.
    [[nodiscard]] static Bytes statement(const Digest& nonce,
                                         wire::Launch launch = wire::Launch::srtm);
    /// A quote over the values that the two logs imply, signed.
    void quote(Evidence& evidence) const;
    [[nodiscard]] const Bytes& ak_public() const { return ak_public_; }

  private:
    wire::Launch launch_;
    EVP_PKEY* key_;
    Bytes ak_public_;
    Bytes firmware_log_;
    Bytes ravelin_log_;
};

} // namespace ravelin::attest

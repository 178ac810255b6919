// SPDX-License-Identifier: Apache-2.0
// A platform in a class: libtpms with an endorsement key that a manufacturer of the test certified,
// the hypervisor's own TPM service above it, booted by the real firmware's log. What is between the
// agent and the hypercall's registers is the real thing.
#pragma once

#include "../hv/tpm/recording_console.hpp"
#include "../hv/tpm/software_tpm.hpp"
#include "../hv/tpm/tis_model.hpp"
#include "sample.hpp"

#include <attest/control_channel.hpp>
#include <hv/tpm/service.hpp>

namespace ravelin::attest {

/// A CA that certifies endorsement keys.
class TestManufacturer {
  public:
    TestManufacturer();
    ~TestManufacturer();
    TestManufacturer(const TestManufacturer&) = delete;
    TestManufacturer& operator=(const TestManufacturer&) = delete;

    [[nodiscard]] std::string pem() const;
    /// DER of a certificate for the RSA key of a TPMT_PUBLIC.
    [[nodiscard]] Bytes certify(std::span<const u8> ek_public,
                                const char* usage = "2.23.133.8.1") const;

  private:
    EVP_PKEY* key_;
    X509* certificate_;
};

/// Commands straight into the software TPM, with nobody between: what a factory has.
class FactoryChannel final : public ControlChannel {
  public:
    explicit FactoryChannel(hv::tpm::test::SoftwareTpm& tpm) : tpm_{tpm} {}
    i64 call(wire::control::Operation operation,
             std::span<const u8> request,
             std::span<u8> response) override;

  private:
    hv::tpm::test::SoftwareTpm& tpm_;
    std::vector<u8> answer_;
};

class FakePlatform {
  public:
    explicit FakePlatform(const TestManufacturer& manufacturer);

    /// Domain 0's hypercall.
    [[nodiscard]] ControlChannel& channel() { return channel_; }
    /// What a verifier expects of it.
    [[nodiscard]] Reference reference() const;

  private:
    class HypercallChannel final : public ControlChannel {
      public:
        explicit HypercallChannel(FakePlatform& platform) : platform_{platform} {}
        i64 call(wire::control::Operation operation,
                 std::span<const u8> request,
                 std::span<u8> response) override;

      private:
        FakePlatform& platform_;
    };

    void write_certificate(const TestManufacturer& manufacturer);
    void boot_firmware();
    void launch();

    hv::tpm::test::SoftwareTpm software_;
    hv::tpm::test::DirectTransport transport_{software_};
    hv::tpm::test::FakeClock clock_;
    hv::tpm::test::RecordingConsole console_;
    Bytes firmware_log_;
    std::map<std::string, Bytes> modules_;
    std::unique_ptr<hv::tpm::Service> service_;
    HypercallChannel channel_{*this};
};

} // namespace ravelin::attest

// SPDX-License-Identifier: Apache-2.0
// A TPM 2.0 in this process: libtpms, freshly manufactured, with its state in memory. One at a
// time, because libtpms is one per process.
#pragma once

#include <base/types.hpp>
#include <hv/tpm/transport.hpp>

#include <span>
#include <vector>

namespace ravelin::hv::tpm::test {

class SoftwareTpm {
  public:
    enum class Started { yes, no };
    /// Manufactures a TPM and, unless told otherwise, sends TPM2_Startup(CLEAR) as firmware does.
    explicit SoftwareTpm(Started started = Started::yes);
    ~SoftwareTpm();
    SoftwareTpm(const SoftwareTpm&) = delete;
    SoftwareTpm& operator=(const SoftwareTpm&) = delete;

    [[nodiscard]] std::vector<u8> execute(std::span<const u8> command, u8 locality = 0);
    /// D-RTM: PCR 17-22 go to zero, then `measured` into 17, as a CPU does for GETSEC[SENTER].
    void launch_dynamically(std::span<const u8> measured);
    /// Power off and on again; non-volatile state stays.
    void reset(Started started = Started::yes);
};

/// A Transport straight into a SoftwareTpm, which can fail or change the Nth response.
class DirectTransport final : public Transport {
  public:
    explicit DirectTransport(SoftwareTpm& tpm) : tpm_{tpm} {}

    [[nodiscard]] Status<TransportError> start(std::span<const u8> command) override;
    [[nodiscard]] Result<Progress, TransportError> poll() override;
    [[nodiscard]] Result<std::span<const u8>, TransportError> finish(std::span<u8> buffer) override;
    [[nodiscard]] Status<TransportError> cancel() override;
    [[nodiscard]] Status<TransportError> use(Locality locality) override;
    [[nodiscard]] Result<std::span<const u8>, TransportError>
    transact(std::span<const u8> command, std::span<u8> buffer, Patience patience) override;

    enum class Fault { none, transport, response_code, truncated, garbage };
    /// The response number `nth` (0 is the next) comes as `fault`; `code` for response_code.
    void fail(unsigned nth, Fault fault, u32 code = 0, unsigned times = 1);
    [[nodiscard]] unsigned responses() const { return count_; }
    /// Every command that reached the TPM.
    std::vector<std::vector<u8>> commands;
    /// How often poll() says `executing` before it is complete.
    unsigned latency = 0;
    /// Localities that a chipset keeps closed, a bit each.
    unsigned closed = 0;

  private:
    SoftwareTpm& tpm_;
    Locality locality_{0};
    std::vector<u8> response_;
    bool executing_ = false;
    unsigned polls_ = 0;
    unsigned count_ = 0;
    unsigned fail_at_ = 0;
    unsigned fail_times_ = 0;
    Fault fault_ = Fault::none;
    u32 fault_code_ = 0;
    bool fault_transport_ = false;
};

} // namespace ravelin::hv::tpm::test

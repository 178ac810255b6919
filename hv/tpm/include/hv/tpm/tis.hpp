// SPDX-License-Identifier: Apache-2.0
// Driver of the TPM's FIFO interface: localities, the command state machine, time-outs, cancel.
// Trusts nothing it reads: any register may return anything at any time, and the driver then ends
// with an error in bounded time. [PTP 6.5]
#pragma once

#include <hv/tpm/platform.hpp>
#include <hv/tpm/tis_registers.hpp>
#include <hv/tpm/transport.hpp>

namespace ravelin::hv::tpm {

/// Owned by one CPU at a time; the owner of the TPM service holds the lock.
class Tis final : public Transport {
  public:
    Tis(RegisterSpace& registers, Clock& clock) : registers_{registers}, clock_{clock} {}
    Tis(const Tis&) = delete;
    Tis& operator=(const Tis&) = delete;

    /// Is a TPM 2.0 with an active FIFO interface there? Switches its interrupts off.
    [[nodiscard]] Status<TransportError> probe();
    /// Vendor and device id, as TPM_DID_VID gives them.
    [[nodiscard]] u32 vendor() { return registers_.read32(tis::vendor_offset); }

    /// Makes `locality` the active one and the one of all later commands. Waits for a holder to
    /// relinquish, TIMEOUT_A.
    [[nodiscard]] Status<TransportError> request(Locality locality);
    /// Takes the TPM from a *lower* locality that does not give it up. The holder's command is
    /// lost.
    [[nodiscard]] Status<TransportError> seize(Locality locality);
    /// Gives the locality up, so that others may use the TPM.
    [[nodiscard]] Status<TransportError> relinquish();
    [[nodiscard]] Locality locality() const { return locality_; }

    [[nodiscard]] Status<TransportError> use(Locality locality) override {
        return request(locality);
    }
    /// Forgets what was on its way, whoever sent it, so that a last command can be sent. Only at
    /// the machine's end.
    void abandon() { abort(); }
    [[nodiscard]] Status<TransportError> start(std::span<const u8> command) override;
    [[nodiscard]] Result<Progress, TransportError> poll() override;
    [[nodiscard]] Result<std::span<const u8>, TransportError> finish(std::span<u8> buffer) override;
    [[nodiscard]] Status<TransportError> cancel() override;
    [[nodiscard]] Result<std::span<const u8>, TransportError>
    transact(std::span<const u8> command, std::span<u8> buffer, Patience patience) override;

  private:
    enum class State : u8 { idle, executing };

    [[nodiscard]] u32 at(u32 offset) const {
        return u32{locality_.raw()} * tis::locality_stride + offset;
    }
    [[nodiscard]] u8 access() { return registers_.read8(at(tis::access_offset)); }
    [[nodiscard]] u32 status() { return registers_.read32(at(tis::status_offset)); }
    [[nodiscard]] bool active();
    template <typename Condition> [[nodiscard]] bool wait(u64 timeout, Condition&& condition);
    /// Waits for stsValid and gives the status that came with it.
    [[nodiscard]] Result<u32, TransportError> valid_status();
    [[nodiscard]] Result<u16, TransportError> burst();
    [[nodiscard]] Status<TransportError> make_ready();
    [[nodiscard]] Status<TransportError> send(std::span<const u8> command);
    [[nodiscard]] Status<TransportError> receive(std::span<u8> bytes);
    [[nodiscard]] Result<std::span<const u8>, TransportError> read_response(std::span<u8> buffer);
    /// After an error: back to idle, whatever the TPM says.
    void abort();

    RegisterSpace& registers_;
    Clock& clock_;
    Locality locality_{0};
    State state_{State::idle};
};

} // namespace ravelin::hv::tpm

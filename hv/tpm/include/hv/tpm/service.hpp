// SPDX-License-Identifier: Apache-2.0
// The hypervisor's TPM as a whole: takes it over at start-up, decides the launch verdict, measures,
// and afterwards answers domain 0's control hypercalls.
#pragma once

#include <hv/tpm/attestor.hpp>
#include <hv/tpm/chain.hpp>
#include <hv/tpm/channel.hpp>
#include <hv/tpm/tis.hpp>
#include <wire/control.hpp>

namespace ravelin::hv::tpm {

/// What nobody but the hypervisor may reach: the TPM's registers, all localities. Left out of every
/// domain's memory and of every device's address space.
struct ReservedRange {
    HostPhysical start;
    Bytes size;
};
constexpr ReservedRange reserved_range{tis::base, tis::size};

/// The firmware's side of the story, from the loader.
struct FirmwareLog {
    std::optional<std::span<const u8>> bytes; ///< kept for as long as the hypervisor runs
    bool truncated = false;
};

/// Who asks: filled in by the hypervisor, never by the caller.
struct Submitter {
    DomainId id;
    std::string_view label;
};

/// One instance. Start-up by the boot CPU; afterwards under the caller's lock.
class Service {
  public:
    /// SINIT's and tboot's log may be this long.
    static constexpr usize largest_earlier_log = 16 * 1024;

    Service(RegisterSpace& registers, Clock& clock, Console& console);
    /// With a Transport that needs no probing: a software TPM.
    Service(Transport& transport, Clock& clock, Console& console);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    /// Takes the TPM over, decides the verdict, makes the attestation key. An unmeasured launch
    /// gets its register capped here, before anything else is extended.
    void
    start(const FirmwareLog& firmware, std::string_view version, const DynamicLaunch& dynamic = {});
    /// Precondition of all below: start().
    [[nodiscard]] LaunchVerdict& verdict() { return *verdict_; }
    [[nodiscard]] Chain& chain() { return *chain_; }
    [[nodiscard]] bool has_tpm() const { return has_tpm_; }
    void set_dma(wire::DmaState dma) { dma_ = dma; }
    /// The measured environment ends: PCR 17-19 get a value that no launch has, and the TPM is
    /// given up. Whatever it was doing is abandoned, so that this works after a panic too. Nothing
    /// where there was no dynamic launch. Context: no other CPU runs.
    void leave();
    /// Domain 0's channel; for tests and counters.
    [[nodiscard]] const Channel& channel() const { return channel_; }

    /// One control hypercall: the response's length or a negative errno.
    [[nodiscard]] i64 handle(u64 operation,
                             const Submitter& submitter,
                             std::span<const u8> request,
                             std::span<u8> response);

  private:
    /// Everything before the verdict that can fail; the facts it is decided from.
    void take_over(LaunchFacts& facts);
    /// To locality 2, which a chipset opens for a measured environment only.
    void take_dynamic_locality(DynamicLaunch& dynamic);
    /// Extends PCR 17-19; false when that failed.
    [[nodiscard]] bool cap_dynamic_pcrs(std::string_view why);
    void make_key();
    [[nodiscard]] i64 info(std::span<const u8> request, std::span<u8> response) const;
    [[nodiscard]] i64 submit(std::span<const u8> request);
    [[nodiscard]] i64 poll(std::span<u8> response);
    [[nodiscard]] i64
    state(const Submitter& submitter, std::span<const u8> request, std::span<u8> response);
    [[nodiscard]] i64 read_log(std::span<const u8> request, std::span<u8> response);
    [[nodiscard]] Status<TpmError> quote_window();

    Console& console_;
    std::optional<Tis> tis_;
    Tpm tpm_;
    Channel channel_;
    Attestor attestor_;
    std::optional<LaunchVerdict> verdict_;
    std::optional<Chain> chain_;
    FirmwareLog firmware_;
    Banks banks_;
    PcrValues pcrs_;
    wire::StatementText version_;
    wire::DmaState dma_{wire::DmaState::is_unprotected};
    std::array<u8, 16> boot_id_{};
    bool has_tpm_ = false;
    bool has_dynamic_locality_ = false;
    std::array<u8, largest_earlier_log + Chain::own_room> log_buffer_{};
};

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// The commands the hypervisor itself sends. Every response is decoded completely before any of it
// is used; every failure names the command. [TPM 2.0 part 3]
#pragma once

#include <base/fixed_vector.hpp>
#include <hv/tpm/error.hpp>
#include <hv/tpm/platform.hpp>

#include <array>

namespace ravelin::hv::tpm {

/// A digest in one bank's algorithm.
struct Digest {
    static constexpr usize max_size = 64;
    wire::tpm::Algorithm algorithm{};
    std::array<u8, max_size> bytes{};
    [[nodiscard]] std::span<const u8> span() const {
        return std::span{bytes}.first(wire::tpm::digest_size(algorithm));
    }
};
using Sha256Digest = std::array<u8, 32>;

/// One digest a bank, in the banks' order.
constexpr usize max_banks = 4;
using Digests = FixedVector<Digest, max_banks>;

/// The PCR banks that are switched on.
struct Banks {
    FixedVector<wire::tpm::Algorithm, max_banks> known; ///< those Ravelin extends
    /// A bank is on in an algorithm Ravelin cannot compute: it stays without our measurements.
    bool unknown = false;
    [[nodiscard]] bool has(wire::tpm::Algorithm algorithm) const;
};

/// A set of PCRs 0-23, bit n for PCR n.
struct PcrSetTag;
using PcrSet = Strong<PcrSetTag, u32>;

/// SHA-256 PCR values, in ascending order of the set's PCRs.
struct PcrValues {
    static constexpr usize count = 24;
    PcrSet set;
    std::array<Sha256Digest, count>
        values{}; ///< by PCR number; only those of the set mean anything
};

/// A TPM2B name, public area, … as the TPM gave it.
template <usize Capacity> struct Blob {
    std::array<u8, Capacity> bytes{};
    usize size = 0;
    [[nodiscard]] std::span<const u8> span() const { return std::span{bytes}.first(size); }
    /// False, and nothing changed, when it does not fit.
    [[nodiscard]] bool assign(std::span<const u8> from) {
        if (from.size() > Capacity)
            return false;
        for (usize i = 0; i < from.size(); ++i)
            bytes[i] = from[i];
        size = from.size();
        return true;
    }
};

/// As many handles as one TPM2_GetCapability can list.
using HandleList = FixedVector<wire::tpm::Handle, 254>;

struct Key {
    wire::tpm::Handle handle;
    Blob<512> public_area; ///< TPMT_PUBLIC
    Blob<68> name;
};

struct Quote {
    Blob<512> attested;  ///< TPMS_ATTEST
    Blob<640> signature; ///< TPMT_SIGNATURE
};

/// Who started the TPM: firmware did, or nobody had, and then nothing before us was measured.
enum class Startup : u8 { by_firmware, by_us };

/// Owned by the TPM service, used under its lock.
class Tpm {
  public:
    Tpm(Transport& transport, Clock& clock) : transport_{transport}, clock_{clock} {}
    Tpm(const Tpm&) = delete;
    Tpm& operator=(const Tpm&) = delete;

    /// Makes sure that the TPM is started and its self-test has not failed.
    [[nodiscard]] Result<Startup, TpmError> make_ready();
    [[nodiscard]] Result<Banks, TpmError> active_banks();
    /// The handles of one type, from `first` on.
    [[nodiscard]] Status<TpmError> list_handles(wire::tpm::Handle first, HandleList& into);
    [[nodiscard]] Status<TpmError> extend(PcrIndex pcr, const Digests& digests);
    /// SHA-256 values of the PCRs, all from one moment.
    [[nodiscard]] Status<TpmError> read(PcrSet set, PcrValues& into);
    [[nodiscard]] Status<TpmError> random(std::span<u8> into);

    /// A primary key under `hierarchy`; `sensitive` and `public_area` without their size prefix.
    [[nodiscard]] Status<TpmError>
    create_primary(wire::tpm::Handle hierarchy, std::span<const u8> public_area, Key& into);
    [[nodiscard]] Status<TpmError> flush(wire::tpm::Handle handle);
    [[nodiscard]] Result<wire::tpm::Handle, TpmError> start_policy_session();
    [[nodiscard]] Status<TpmError> policy_command_code(wire::tpm::Handle session,
                                                       wire::tpm::CommandCode code);
    /// `mask`: bit n for locality n.
    [[nodiscard]] Status<TpmError> policy_locality(wire::tpm::Handle session, u8 mask);
    [[nodiscard]] Status<TpmError> policy_or(wire::tpm::Handle session,
                                             std::span<const Sha256Digest> branches);
    /// Quotes SHA-256 PCRs; `session` satisfies the key's policy and is used up.
    [[nodiscard]] Status<TpmError> quote(wire::tpm::Handle key,
                                         wire::tpm::Handle session,
                                         std::span<const u8> qualifying_data,
                                         PcrSet set,
                                         Quote& into);

    /// Saves a context; an object stays loaded, a session does not. A view until the next command.
    [[nodiscard]] Result<std::span<const u8>, TpmError> context_save(wire::tpm::Handle handle);
    [[nodiscard]] Result<wire::tpm::Handle, TpmError> context_load(std::span<const u8> context);

    [[nodiscard]] Transport& transport() { return transport_; }
    [[nodiscard]] Clock& clock() { return clock_; }

  private:
    class Response;
    /// Sends the command of `writer`, retries what asks for it, and checks the header.
    [[nodiscard]] Result<Response, TpmError> run(class CommandWriter& writer,
                                                 Patience patience = Patience::prompt);
    /// One try: the response code.
    [[nodiscard]] Result<u32, TpmError>
    once(std::span<const u8> command, wire::tpm::CommandCode code, Patience patience);
    void pause(u64 microseconds);

    Transport& transport_;
    Clock& clock_;
    std::array<u8, Transport::max_size> command_{};
    std::array<u8, Transport::max_size> response_{};
    std::span<const u8> received_;
};

} // namespace ravelin::hv::tpm

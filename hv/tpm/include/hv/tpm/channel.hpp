// SPDX-License-Identifier: Apache-2.0
// Domain 0's way to the TPM: submit, poll, cancel. One command at a time; before it, exactly the
// objects and sessions it names are loaded; after it, all of the domain's are swapped out again, so
// that between commands the TPM holds nothing but the hypervisor's own.
#pragma once

#include <hv/tpm/filter.hpp>

namespace ravelin::hv::tpm {

enum class ChannelError : u8 {
    busy,      ///< a command is on its way, or its response was not taken
    too_large, ///< longer than any TPM command, or the response does not fit the caller's buffer
    idle,      ///< nothing was submitted
};

/// Counters of what the domain tried; for the log and the tests.
struct ChannelCounters {
    u64 permitted = 0;
    u64 denied = 0;
};

/// Used under the TPM service's lock.
class Channel {
  public:
    Channel(Tpm& tpm, Console& console) : tpm_{tpm}, console_{console} {}
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// Which key virtual_attestation_key stands for; none until the hypervisor has made it.
    void set_attestation_key(wire::tpm::Handle key) { attestation_key_ = key; }

    /// The locality at which the hypervisor sends its own commands, and which is in use between
    /// the domain's; the domain's go at locality 0.
    void set_own_locality(Locality locality) { own_locality_ = locality; }

    /// Takes a command. What the domain may not do is not an error here: its response says so.
    [[nodiscard]] Status<ChannelError> submit(std::span<const u8> command);
    [[nodiscard]] Result<Progress, ChannelError> poll();
    /// The response of a completed command; the channel is then free.
    [[nodiscard]] Result<std::span<const u8>, ChannelError> take(std::span<u8> into);
    /// Asks the TPM to give up; the response says whether it did.
    [[nodiscard]] Status<ChannelError> cancel();

    /// Before the hypervisor sends a command of its own: waits until the domain's is through (its
    /// response stays for poll), and clears the TPM of anything an error left behind.
    [[nodiscard]] Status<TpmError> settle();
    /// Lets the domain's longest unused session go, when the TPM asks for it (TPM_RC_CONTEXT_GAP).
    /// False when there is none.
    [[nodiscard]] bool drop_oldest_session();
    /// Flushes every transient object and session in the TPM that is neither the hypervisor's nor a
    /// saved session of the domain: at start-up, and after an error.
    [[nodiscard]] Status<TpmError> sweep();

    [[nodiscard]] const VirtualHandles& handles() const { return handles_; }
    [[nodiscard]] const ChannelCounters& counters() const { return counters_; }

  private:
    enum class State : u8 { idle, executing, complete };
    struct LoadedObject {
        wire::tpm::Handle handle; ///< virtual
        wire::tpm::Handle real;
    };

    void deny(std::span<const u8> command, Denial denial);
    void answer(u32 code);
    void answer_handles();
    void execute(std::span<const u8> command);
    /// Loads what the command names; the response code to give up with, or success.
    [[nodiscard]] u32 load_references();
    [[nodiscard]] u32 load_reference(const Permitted::Reference& reference, unsigned place);
    void translate(std::span<u8> command) const;
    /// Swaps out, turns the new object's handle into a virtual one, keeps the response.
    void complete();
    [[nodiscard]] u32 keep_created();
    [[nodiscard]] Result<std::span<const u8>, TpmError> save(wire::tpm::Handle handle);
    void swap_out();
    /// Back to the hypervisor's locality, after a command of the domain.
    void take_back();
    void fail(const TpmError& error);

    Tpm& tpm_;
    Console& console_;
    std::optional<wire::tpm::Handle> attestation_key_;
    VirtualHandles handles_;
    ChannelCounters counters_;
    State state_ = State::idle;
    Permitted permitted_;
    FixedVector<LoadedObject, 3> objects_;
    FixedVector<wire::tpm::Handle, 3> sessions_;
    Locality own_locality_{0};
    bool dirty_ = false; ///< an error may have left something in the TPM
    std::array<u8, Transport::max_size> command_{};
    std::array<u8, Transport::max_size> response_{};
    usize response_size_ = 0;
};

} // namespace ravelin::hv::tpm

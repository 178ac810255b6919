// SPDX-License-Identifier: Apache-2.0
// What domain 0 owns inside the TPM: objects under virtual handles, sessions under the TPM's own
// numbers, all of them swapped out between two commands, so that they take no room in the TPM.
#pragma once

#include <hv/tpm/tpm.hpp>

#include <optional>

namespace ravelin::hv::tpm {

/// An object's virtual handle is one no TPM hands out: if one ever reached the TPM untranslated, it
/// would be refused.
constexpr u32 virtual_object_base = 0x80d0'0000;
/// The attestation key, as domain 0 calls it.
constexpr wire::tpm::Handle virtual_attestation_key{0x80ff'fffe};

/// Owned by the channel, used under the TPM service's lock.
class VirtualHandles {
  public:
    /// A context as TPM2_ContextSave gives it; libtpms' largest are under 2 KiB.
    using Context = Blob<3072>;
    static constexpr usize max_objects = 8;
    static constexpr usize max_sessions = 8;

    struct Object {
        bool used = false;
        u8 generation = 0; ///< so that a handle flushed and a handle made never look the same
        Context context;
    };
    struct Session {
        bool used = false;
        wire::tpm::Handle handle; ///< survives saving and loading, and its number goes into HMACs
        u64 saved_at = 0;         ///< order of saving: the oldest blocks the TPM first
        Context context;
    };

    [[nodiscard]] Object* object(wire::tpm::Handle handle);
    [[nodiscard]] const Object* object(wire::tpm::Handle handle) const;
    [[nodiscard]] Session* session(wire::tpm::Handle handle);
    [[nodiscard]] const Session* session(wire::tpm::Handle handle) const;

    /// A slot to put a context into, not taken yet; nullptr when all are.
    [[nodiscard]] Object* free_object();
    [[nodiscard]] Session* free_session();
    [[nodiscard]] wire::tpm::Handle handle_of(const Object& object) const;
    /// Takes the slot; its handle is a new one.
    void take(Object& object);
    void take(Session& session, wire::tpm::Handle handle);
    static void drop(Object& object) { object.used = false; }
    static void drop(Session& session) { session.used = false; }
    void saved(Session& session) { session.saved_at = ++saves_; }
    /// The one saved longest ago, leaving out those in use.
    [[nodiscard]] Session* oldest_session(std::span<const wire::tpm::Handle> in_use);
    /// The TPM lists a saved policy session under an HMAC session's type: only the number counts.
    [[nodiscard]] bool has_session_number(wire::tpm::Handle handle) const;

    /// Drops every session that is not among those the TPM says it has saved.
    void keep_sessions(std::span<const wire::tpm::Handle> saved);
    [[nodiscard]] std::span<const Object> objects() const { return objects_; }
    [[nodiscard]] std::span<const Session> sessions() const { return sessions_; }

  private:
    std::array<Object, max_objects> objects_{};
    std::array<Session, max_sessions> sessions_{};
    u64 saves_ = 0;
};

} // namespace ravelin::hv::tpm

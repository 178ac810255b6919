// SPDX-License-Identifier: Apache-2.0
// Which TPM commands domain 0 may send: an allow-list by command and by handle. A pure function of
// the bytes and of what the domain owns; only it can make a Permitted, and only a Permitted is
// sent. [TPM 2.0 part 3 for the shape of each command]
#pragma once

#include <hv/tpm/virtual_handles.hpp>

namespace ravelin::hv::tpm {

enum class Denial : u8 {
    malformed, ///< not a command, or its sizes do not add up
    command,   ///< not on the allow-list
    handle,    ///< names something that is not the domain's
    key_kind,  ///< asks for a kind of key the domain may not have
    sessions,  ///< uses more sessions at once than the domain's share
};
[[nodiscard]] std::string_view name(Denial denial);
/// The response code the domain sees.
[[nodiscard]] u32 response_code(Denial denial);

/// What a successful command brings into being.
enum class Creates : u8 { nothing, object, session };

/// A command that may be sent once its handles are translated.
struct Permitted {
    /// Where in the command a handle stands that must be loaded and translated first.
    struct Reference {
        enum class Kind : u8 { object, session, attestation_key };
        Kind kind;
        wire::tpm::Handle handle;
        u16 offset;
    };
    /// The hypervisor's share of the TPM: with three slots of each, one stays free of domain 0.
    static constexpr usize max_loaded = 2;
    static constexpr usize max_references = 6; ///< three handles and three authorisations

    wire::tpm::CommandCode code{};
    Creates creates = Creates::nothing;
    bool generates_key = false; ///< may take minutes
    FixedVector<Reference, max_references> references;
    /// TPM2_FlushContext: what to forget. Its handle is a parameter, and always one of the
    /// domain's.
    std::optional<wire::tpm::Handle> flushes;
    /// TPM2_GetCapability(HANDLES) of a kind that is virtual: answered from the table, from here
    /// on.
    std::optional<wire::tpm::Handle> lists_from;
};

/// Decides about one command. Context: any; reads nothing but its arguments.
[[nodiscard]] Result<Permitted, Denial> permit(std::span<const u8> command,
                                               const VirtualHandles& owned);

} // namespace ravelin::hv::tpm

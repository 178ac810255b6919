// SPDX-License-Identifier: Apache-2.0
// Keys, policy sessions, quotes and saved contexts.
#include "command.hpp"
#include "hv/tpm/tpm.hpp"
#include "response.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::Algorithm;
using wire::tpm::CommandCode;
using wire::tpm::Handle;
using wire::tpm::Tag;

namespace {

constexpr u8 session_type_policy = 1;
constexpr usize nonce_size = 16; // at least half the hash; the nonce protects nothing here

} // namespace

Status<TpmError> Tpm::create_primary(Handle hierarchy, std::span<const u8> public_area, Key& into) {
    CommandWriter writer{command_, CommandCode::create_primary, Tag::sessions};
    writer.handle(hierarchy).empty_password();
    writer.integer(u16{4}).integer(u16{0}).integer(u16{0}); // no authValue, no data
    writer.sized(public_area);
    writer.integer(u16{0}); // outsideInfo
    writer.integer(u32{0}); // creationPCR
    auto response = RAVELIN_TRY(run(writer, Patience::patient));
    into.handle = RAVELIN_TRY(response.handle());
    (void)RAVELIN_TRY(response.parameters());
    const auto made = RAVELIN_TRY(response.sized());
    (void)RAVELIN_TRY(response.sized());      // creationData
    (void)RAVELIN_TRY(response.sized());      // creationHash
    (void)RAVELIN_TRY(response.bytes(2 + 4)); // creationTicket: tag, hierarchy,
    (void)RAVELIN_TRY(response.sized());      // digest
    const auto name = RAVELIN_TRY(response.sized());
    (void)RAVELIN_TRY(response.expect_end());
    if (!into.public_area.assign(made) || !into.name.assign(name))
        return Failure{response.malformed()};
    return Unit{};
}

Status<TpmError> Tpm::flush(Handle handle) {
    CommandWriter writer{command_, CommandCode::flush_context, Tag::no_sessions};
    writer.handle(handle);
    return RAVELIN_TRY(run(writer)).expect_end();
}

Result<Handle, TpmError> Tpm::start_policy_session() {
    constexpr std::array<u8, nonce_size> nonce{};
    CommandWriter writer{command_, CommandCode::start_auth_session, Tag::no_sessions};
    writer.handle(wire::tpm::handle_null).handle(wire::tpm::handle_null);
    writer.sized(nonce).integer(u16{0}).integer(session_type_policy);
    writer.integer(static_cast<u16>(Algorithm::null));
    writer.integer(static_cast<u16>(Algorithm::sha256));
    auto response = RAVELIN_TRY(run(writer));
    const Handle session = RAVELIN_TRY(response.handle());
    (void)RAVELIN_TRY(response.sized());
    (void)RAVELIN_TRY(response.expect_end());
    return session;
}

Status<TpmError> Tpm::policy_command_code(Handle session, CommandCode code) {
    CommandWriter writer{command_, CommandCode::policy_command_code, Tag::no_sessions};
    writer.handle(session).integer(static_cast<u32>(code));
    return RAVELIN_TRY(run(writer)).expect_end();
}

Status<TpmError> Tpm::policy_locality(Handle session, u8 mask) {
    CommandWriter writer{command_, CommandCode::policy_locality, Tag::no_sessions};
    writer.handle(session).integer(mask);
    return RAVELIN_TRY(run(writer)).expect_end();
}

Status<TpmError> Tpm::policy_or(Handle session, std::span<const Sha256Digest> branches) {
    CommandWriter writer{command_, CommandCode::policy_or, Tag::no_sessions};
    writer.handle(session).integer(static_cast<u32>(branches.size()));
    for (const auto& branch : branches)
        writer.sized(branch);
    return RAVELIN_TRY(run(writer)).expect_end();
}

Status<TpmError> Tpm::quote(
    Handle key, Handle session, std::span<const u8> qualifying_data, PcrSet set, Quote& into) {
    CommandWriter writer{command_, CommandCode::quote, Tag::sessions};
    writer.handle(key).authorise(session);
    writer.sized(qualifying_data).integer(static_cast<u16>(Algorithm::null));
    write_selection(writer, set);
    auto response = RAVELIN_TRY(run(writer));
    (void)RAVELIN_TRY(response.parameters());
    const auto attested = RAVELIN_TRY(response.sized());
    const auto signature = RAVELIN_TRY(response.rest());
    if (!into.attested.assign(attested) || !into.signature.assign(signature))
        return Failure{response.malformed()};
    return Unit{};
}

Result<std::span<const u8>, TpmError> Tpm::context_save(Handle handle) {
    CommandWriter writer{command_, CommandCode::context_save, Tag::no_sessions};
    writer.handle(handle);
    auto response = RAVELIN_TRY(run(writer));
    return response.rest();
}

Result<Handle, TpmError> Tpm::context_load(std::span<const u8> context) {
    CommandWriter writer{command_, CommandCode::context_load, Tag::no_sessions};
    writer.bytes(context);
    auto response = RAVELIN_TRY(run(writer));
    const Handle handle = RAVELIN_TRY(response.handle());
    (void)RAVELIN_TRY(response.expect_end());
    return handle;
}

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// The allow-list. A command that is not in `rules` does not pass, and each handle of one that is
// must be of the kind its place asks for.
#include "hv/tpm/filter.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::CommandCode;
using wire::tpm::Handle;
using wire::tpm::Tag;

namespace {

enum class Place : u8 {
    own_object,           ///< an object of the domain
    own_object_or_ak,     ///< that, or the attestation key (only where it can do no harm)
    own_object_or_none,   ///< that, or TPM_RH_NULL
    own_session,          ///< a session of the domain
    hierarchy,            ///< owner, endorsement or null
    hierarchy_or_own,     ///< that, or an object of the domain
    certificate,          ///< an NV index that holds an endorsement certificate or its kin
    owner_or_certificate, ///< who authorises the reading of one
};

enum class Parameters : u8 {
    any,
    primary_template, ///< TPM2B_SENSITIVE_CREATE, TPM2B_PUBLIC of a storage or endorsement key
    child_template,   ///< TPM2B, then TPM2B_PUBLIC of anything but a restricted signing key
    flush,            ///< a handle of the domain
    capability,       ///< a capability; handles are virtual
};

struct Rule {
    CommandCode code;
    u8 handle_count = 0;
    std::array<Place, 2> handles{};
    Creates creates = Creates::nothing;
    Parameters parameters = Parameters::any;
};

constexpr Rule rules[] = {
    {CommandCode::get_capability, 0, {}, Creates::nothing, Parameters::capability},
    {CommandCode::get_random},
    {CommandCode::pcr_read},
    {CommandCode::read_clock},
    {CommandCode::nv_read_public, 1, {Place::certificate}},
    {CommandCode::nv_read, 2, {Place::owner_or_certificate, Place::certificate}},
    {CommandCode::read_public, 1, {Place::own_object_or_ak}},
    {CommandCode::activate_credential, 2, {Place::own_object_or_ak, Place::own_object}},
    {CommandCode::create_primary,
     1,
     {Place::hierarchy},
     Creates::object,
     Parameters::primary_template},
    {CommandCode::create, 1, {Place::own_object}, Creates::nothing, Parameters::child_template},
    {CommandCode::load, 1, {Place::own_object}, Creates::object, Parameters::child_template},
    {CommandCode::unseal, 1, {Place::own_object}},
    {CommandCode::sign, 1, {Place::own_object}},
    {CommandCode::start_auth_session,
     2,
     {Place::own_object_or_none, Place::own_object_or_none},
     Creates::session},
    {CommandCode::policy_secret, 2, {Place::hierarchy_or_own, Place::own_session}},
    {CommandCode::policy_command_code, 1, {Place::own_session}},
    {CommandCode::policy_or, 1, {Place::own_session}},
    {CommandCode::policy_pcr, 1, {Place::own_session}},
    {CommandCode::policy_auth_value, 1, {Place::own_session}},
    {CommandCode::policy_password, 1, {Place::own_session}},
    {CommandCode::policy_restart, 1, {Place::own_session}},
    {CommandCode::policy_get_digest, 1, {Place::own_session}},
    {CommandCode::flush_context, 0, {}, Creates::nothing, Parameters::flush},
};

const Rule* find(CommandCode code) {
    for (const auto& rule : rules)
        if (rule.code == code)
            return &rule;
    return nullptr;
}

/// EK certificates, templates and nonces: what the EK profile reserves. [EK Credential Profile
/// 2.2.1.4]
bool is_certificate(Handle handle) {
    return handle.raw() >= 0x01c0'0002 && handle.raw() <= 0x01c0'7fff;
}

bool is_hierarchy(Handle handle) {
    return handle == wire::tpm::handle_owner || handle == wire::tpm::handle_endorsement ||
           handle == wire::tpm::handle_null;
}

/// One command on its way to being permitted.
class Decision {
  public:
    Decision(std::span<const u8> command, const VirtualHandles& owned)
        : reader_{command}, owned_{owned} {}

    Result<Permitted, Denial> decide(usize size) {
        const auto tag = static_cast<Tag>(RAVELIN_TRY(integer<u16>()));
        const u32 stated = RAVELIN_TRY(integer<u32>());
        out_.code = static_cast<CommandCode>(RAVELIN_TRY(integer<u32>()));
        if (stated != size || size > Transport::max_size ||
            (tag != Tag::no_sessions && tag != Tag::sessions))
            return Failure{Denial::malformed};
        const Rule* rule = find(out_.code);
        if (rule == nullptr)
            return Failure{Denial::command};
        out_.creates = rule->creates;
        out_.generates_key =
            out_.code == CommandCode::create_primary || out_.code == CommandCode::create;
        for (u8 i = 0; i < rule->handle_count; ++i)
            (void)RAVELIN_TRY(handle(rule->handles[i]));
        if (tag == Tag::sessions)
            (void)RAVELIN_TRY(authorisations());
        (void)RAVELIN_TRY(parameters(rule->parameters, tag));
        const usize new_session = rule->creates == Creates::session ? 1 : 0;
        if (loaded(Kind::session) + new_session > Permitted::max_loaded)
            return Failure{Denial::sessions};
        return out_;
    }

  private:
    using Kind = Permitted::Reference::Kind;

    template <typename T> Result<T, Denial> integer() {
        const auto value = reader_.integer<T>();
        if (!value.is_ok())
            return Failure{Denial::malformed};
        return value.value();
    }
    Result<std::span<const u8>, Denial> sized() {
        const u16 size = RAVELIN_TRY(integer<u16>());
        const auto bytes = reader_.bytes(size);
        if (!bytes.is_ok())
            return Failure{Denial::malformed};
        return bytes.value();
    }

    Status<Denial> refer(Kind kind, Handle handle) {
        // The offset is that of the four bytes just read.
        const auto offset = static_cast<u16>(reader_.offset() - sizeof(u32));
        if (!out_.references.push_back({kind, handle, offset}))
            return Failure{Denial::malformed};
        return Unit{};
    }

    Status<Denial> handle(Place place) {
        const Handle handle{RAVELIN_TRY(integer<u32>())};
        const bool object = owned_.object(handle) != nullptr;
        switch (place) {
        case Place::own_object:
            break;
        case Place::own_object_or_ak:
            if (handle == virtual_attestation_key)
                return refer(Kind::attestation_key, handle);
            break;
        case Place::own_object_or_none:
            if (handle == wire::tpm::handle_null)
                return Unit{};
            break;
        case Place::hierarchy:
            if (is_hierarchy(handle))
                return Unit{};
            return Failure{Denial::handle};
        case Place::hierarchy_or_own:
            if (is_hierarchy(handle))
                return Unit{};
            break;
        case Place::own_session:
            if (owned_.session(handle) != nullptr)
                return refer(Kind::session, handle);
            return Failure{Denial::handle};
        case Place::certificate:
            if (is_certificate(handle))
                return Unit{};
            return Failure{Denial::handle};
        case Place::owner_or_certificate:
            if (is_certificate(handle) || handle == wire::tpm::handle_owner)
                return Unit{};
            return Failure{Denial::handle};
        }
        if (!object)
            return Failure{Denial::handle};
        return refer(Kind::object, handle);
    }

    /// The authorisation area: at most three, each with the password or a session of the domain.
    Status<Denial> authorisations() {
        constexpr unsigned max_authorisations = 3;
        const u32 size = RAVELIN_TRY(integer<u32>());
        if (size > reader_.remaining())
            return Failure{Denial::malformed};
        const usize end = reader_.offset() + size;
        for (unsigned count = 0; reader_.offset() < end; ++count) {
            if (count == max_authorisations)
                return Failure{Denial::malformed};
            const Handle handle{RAVELIN_TRY(integer<u32>())};
            if (handle != wire::tpm::password_session) {
                if (owned_.session(handle) == nullptr)
                    return Failure{Denial::handle};
                (void)RAVELIN_TRY(refer(Kind::session, handle));
            }
            (void)RAVELIN_TRY(sized()); // nonce
            (void)RAVELIN_TRY(integer<u8>());
            (void)RAVELIN_TRY(sized()); // HMAC or password
        }
        if (reader_.offset() != end || size == 0)
            return Failure{Denial::malformed};
        return Unit{};
    }

    Status<Denial> parameters(Parameters kind, Tag tag) {
        switch (kind) {
        case Parameters::any:
            return Unit{};
        case Parameters::primary_template:
        case Parameters::child_template:
            return key_template(kind);
        case Parameters::flush:
            return flush(tag);
        case Parameters::capability:
            return capability(tag);
        }
        return Failure{Denial::malformed};
    }

    /// The public area stands second and is therefore never encrypted: only a first parameter can
    /// be. [TPM 2.0 part 1, 21]
    Status<Denial> key_template(Parameters kind) {
        constexpr u32 restricted = 1u << 16;
        constexpr u32 decrypt = 1u << 17;
        constexpr u32 sign = 1u << 18;
        (void)RAVELIN_TRY(sized());
        BigReader area{RAVELIN_TRY(sized())};
        const auto type = area.integer<u16>();
        const auto name_algorithm = area.integer<u16>();
        const auto attributes = area.integer<u32>();
        if (!type.is_ok() || !name_algorithm.is_ok() || !attributes.is_ok())
            return Failure{Denial::malformed};
        const u32 flags = attributes.value();
        // A restricted signing key signs what looks like the TPM's own word.
        if ((flags & restricted) != 0 && (flags & sign) != 0)
            return Failure{Denial::key_kind};
        const bool storage = (flags & restricted) != 0 && (flags & decrypt) != 0;
        if (kind == Parameters::primary_template && !storage)
            return Failure{Denial::key_kind};
        return Unit{};
    }

    Status<Denial> flush(Tag tag) {
        const Handle handle{RAVELIN_TRY(integer<u32>())};
        if (tag != Tag::no_sessions || !reader_.expect_end().is_ok())
            return Failure{Denial::malformed};
        if (owned_.object(handle) == nullptr && owned_.session(handle) == nullptr)
            return Failure{Denial::handle};
        out_.flushes = handle;
        return Unit{};
    }

    Status<Denial> capability(Tag tag) {
        constexpr u32 capability_handles = 1;
        const u32 which = RAVELIN_TRY(integer<u32>());
        const Handle first{RAVELIN_TRY(integer<u32>())};
        (void)RAVELIN_TRY(integer<u32>());
        if (!reader_.expect_end().is_ok())
            return Failure{Denial::malformed};
        if (which != capability_handles)
            return Unit{};
        const u32 kind = first.raw() >> 24;
        const bool is_virtual = kind == 0x02 || kind == 0x03 || kind == 0x80;
        // An answer of our own cannot carry the TPM's HMAC.
        if (is_virtual && tag != Tag::no_sessions)
            return Failure{Denial::sessions};
        if (is_virtual)
            out_.lists_from = first;
        return Unit{};
    }

    /// How many different things of one kind the command needs loaded.
    [[nodiscard]] usize loaded(Kind kind) const {
        usize count = 0;
        for (usize i = 0; i < out_.references.size(); ++i) {
            if (out_.references[i].kind != kind)
                continue;
            bool seen = false;
            for (usize j = 0; j < i; ++j)
                seen = seen || out_.references[j].handle == out_.references[i].handle;
            count += seen ? 0 : 1;
        }
        return count;
    }

    BigReader reader_;
    const VirtualHandles& owned_;
    Permitted out_;
};

} // namespace

Result<Permitted, Denial> permit(std::span<const u8> command, const VirtualHandles& owned) {
    return Decision{command, owned}.decide(command.size());
}

std::string_view name(Denial denial) {
    switch (denial) {
    case Denial::malformed:
        return "malformed";
    case Denial::command:
        return "command not allowed";
    case Denial::handle:
        return "handle not the domain's";
    case Denial::key_kind:
        return "kind of key not allowed";
    case Denial::sessions:
        return "more sessions than the domain's share";
    }
    return "unknown denial";
}

u32 response_code(Denial denial) {
    switch (denial) {
    case Denial::malformed:
        return wire::tpm::rc::command_size;
    case Denial::command:
        return wire::tpm::rc::command_code;
    case Denial::handle:
        return wire::tpm::rc::handle;
    case Denial::key_kind:
        return wire::tpm::rc::attributes;
    case Denial::sessions:
        return wire::tpm::rc::session_memory;
    }
    return wire::tpm::rc::command_code;
}

} // namespace ravelin::hv::tpm

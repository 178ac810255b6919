// SPDX-License-Identifier: Apache-2.0
// Sending, retrying, and the commands on PCRs and random numbers; keys and sessions are in
// keys.cpp.
#include "hv/tpm/tpm.hpp"

#include "command.hpp"
#include "response.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::CommandCode;
using wire::tpm::Tag;
namespace rc = wire::tpm::rc;

namespace {

/// Bounds the retries the TPM may ask for. [TPM 2.0 part 1, 39.5]
constexpr unsigned max_tries = 64;
constexpr u64 retry_pause = 20'000;

constexpr u32 capability_handles = 1;
constexpr u32 capability_pcrs = 5;
constexpr usize pcrs_a_read = 8; // TPML_DIGEST holds at most eight

} // namespace

bool Banks::has(wire::tpm::Algorithm algorithm) const {
    for (const auto bank : known)
        if (bank == algorithm)
            return true;
    return false;
}

Text TpmError::describe() const {
    Text text{wire::tpm::name(command)};
    switch (kind) {
    case Kind::transport:
        return text << ": " << name(transport);
    case Kind::malformed:
        return text << ": malformed response";
    case Kind::refused:
        return (text << ": " << wire::tpm::response_name(code) << " (").hex(code) << ")";
    case Kind::too_large:
        return text << ": command too large";
    }
    return text;
}

void Tpm::pause(u64 microseconds) {
    const u64 start = clock_.microseconds();
    while (clock_.microseconds() - start < microseconds)
        clock_.relax();
}

Result<u32, TpmError> Tpm::once(std::span<const u8> command, CommandCode code, Patience patience) {
    const auto raw = transport_.transact(command, response_, patience);
    if (!raw.is_ok())
        return Failure{
            TpmError{.kind = TpmError::Kind::transport, .transport = raw.error(), .command = code}};
    received_ = raw.value();
    const auto header = wire::tpm::decode_response_header(received_);
    if (!header.is_ok())
        return Failure{TpmError{.kind = TpmError::Kind::malformed, .command = code}};
    return header.value().code;
}

Result<Tpm::Response, TpmError> Tpm::run(CommandWriter& writer, Patience patience) {
    const auto command = RAVELIN_TRY(writer.finish());
    const CommandCode code = writer.code();
    for (unsigned attempt = 0;; ++attempt) {
        const u32 answer = RAVELIN_TRY(once(command, code, patience));
        if (answer == rc::success)
            return Response::of(received_, code);
        const bool again = answer == rc::retry || answer == rc::testing || answer == rc::yielded;
        if (!again || attempt + 1 == max_tries)
            return Failure{
                TpmError{.kind = TpmError::Kind::refused, .code = answer, .command = code}};
        pause(retry_pause);
    }
}

Result<Startup, TpmError> Tpm::make_ready() {
    const auto self_test = [&]() -> Status<TpmError> {
        CommandWriter writer{command_, CommandCode::self_test, Tag::no_sessions};
        writer.integer(u8{0}); // only what has not been tested yet
        (void)RAVELIN_TRY(run(writer));
        return Unit{};
    };
    auto tested = self_test();
    if (tested.is_ok())
        return Startup::by_firmware;
    if (tested.error().kind != TpmError::Kind::refused || tested.error().code != rc::initialize)
        return Failure{tested.error()};
    CommandWriter writer{command_, CommandCode::startup, Tag::no_sessions};
    writer.integer(u16{0}); // TPM_SU_CLEAR
    (void)RAVELIN_TRY(run(writer));
    (void)RAVELIN_TRY(self_test());
    return Startup::by_us;
}

Result<Banks, TpmError> Tpm::active_banks() {
    CommandWriter writer{command_, CommandCode::get_capability, Tag::no_sessions};
    writer.integer(capability_pcrs).integer(u32{0}).integer(u32{1});
    auto response = RAVELIN_TRY(run(writer));
    const u8 more = RAVELIN_TRY(response.integer<u8>());
    const u32 capability = RAVELIN_TRY(response.integer<u32>());
    const u32 count = RAVELIN_TRY(response.integer<u32>());
    if (more > 1 || capability != capability_pcrs || count > 16)
        return Failure{response.malformed()};
    Banks banks;
    for (u32 i = 0; i < count; ++i) {
        const auto algorithm =
            static_cast<wire::tpm::Algorithm>(RAVELIN_TRY(response.integer<u16>()));
        const u8 size = RAVELIN_TRY(response.integer<u8>());
        const auto bitmap = RAVELIN_TRY(response.bytes(size));
        bool active = false;
        for (const u8 bits : bitmap)
            active = active || bits != 0;
        if (!active || banks.has(algorithm))
            continue;
        if (wire::tpm::digest_size(algorithm) == 0 || !banks.known.push_back(algorithm))
            banks.unknown = true;
    }
    (void)RAVELIN_TRY(response.expect_end());
    return banks;
}

Status<TpmError> Tpm::list_handles(wire::tpm::Handle first, HandleList& into) {
    CommandWriter writer{command_, CommandCode::get_capability, Tag::no_sessions};
    writer.integer(capability_handles).integer(first.raw());
    writer.integer(static_cast<u32>(HandleList::capacity()));
    auto response = RAVELIN_TRY(run(writer));
    const u8 more = RAVELIN_TRY(response.integer<u8>());
    const u32 capability = RAVELIN_TRY(response.integer<u32>());
    const u32 count = RAVELIN_TRY(response.integer<u32>());
    // No TPM has that many transient objects or sessions.
    if (more != 0 || capability != capability_handles || count > HandleList::capacity())
        return Failure{response.malformed()};
    into.clear();
    for (u32 i = 0; i < count; ++i) {
        const auto handle = RAVELIN_TRY(response.handle());
        ensure(into.push_back(handle), "count is bounded above");
    }
    return response.expect_end();
}

Status<TpmError> Tpm::extend(PcrIndex pcr, const Digests& digests) {
    CommandWriter writer{command_, CommandCode::pcr_extend, Tag::sessions};
    writer.handle(wire::tpm::Handle{pcr.raw()}).empty_password();
    writer.integer(static_cast<u32>(digests.size()));
    for (const auto& digest : digests)
        writer.integer(static_cast<u16>(digest.algorithm)).bytes(digest.span());
    auto response = RAVELIN_TRY(run(writer));
    (void)RAVELIN_TRY(response.parameters());
    return response.expect_end();
}

Status<TpmError> Tpm::read(PcrSet set, PcrValues& into) {
    into.set = set;
    u32 left = set.raw();
    u32 counter = 0;
    bool first = true;
    while (left != 0) {
        u32 wanted = 0;
        for (u32 pcr = 0, n = 0; pcr < PcrValues::count && n < pcrs_a_read; ++pcr)
            if ((left >> pcr & 1) != 0) {
                wanted |= u32{1} << pcr;
                ++n;
            }
        CommandWriter writer{command_, CommandCode::pcr_read, Tag::no_sessions};
        write_selection(writer, PcrSet{wanted});
        auto response = RAVELIN_TRY(run(writer));
        const u32 update = RAVELIN_TRY(response.integer<u32>());
        // Nobody else extends, so a change between two reads is a TPM that cannot be believed.
        if (!first && update != counter)
            return Failure{response.malformed()};
        first = false;
        counter = update;
        const u32 selected = RAVELIN_TRY(response.selection()).raw();
        if (selected != wanted) // a bank that is off answers with an empty selection
            return Failure{response.malformed()};
        const u32 count = RAVELIN_TRY(response.integer<u32>());
        if (count > pcrs_a_read)
            return Failure{response.malformed()};
        u32 seen = 0;
        for (u32 pcr = 0; pcr < PcrValues::count; ++pcr) {
            if ((wanted >> pcr & 1) == 0)
                continue;
            const auto digest = RAVELIN_TRY(response.sized());
            auto& value = into.values[pcr];
            if (digest.size() != value.size())
                return Failure{response.malformed()};
            for (usize i = 0; i < value.size(); ++i)
                value[i] = digest[i];
            ++seen;
        }
        if (seen != count)
            return Failure{response.malformed()};
        (void)RAVELIN_TRY(response.expect_end());
        left &= ~wanted;
    }
    return Unit{};
}

Status<TpmError> Tpm::random(std::span<u8> into) {
    usize have = 0;
    for (unsigned tries = 0; have < into.size(); ++tries) {
        CommandWriter writer{command_, CommandCode::get_random, Tag::no_sessions};
        writer.integer(static_cast<u16>(into.size() - have));
        auto response = RAVELIN_TRY(run(writer));
        const auto bytes = RAVELIN_TRY(response.sized());
        (void)RAVELIN_TRY(response.expect_end());
        if (bytes.size() > into.size() - have || tries == max_tries)
            return Failure{response.malformed()};
        for (const u8 byte : bytes)
            into[have++] = byte;
    }
    return Unit{};
}

} // namespace ravelin::hv::tpm

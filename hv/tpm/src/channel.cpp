// SPDX-License-Identifier: Apache-2.0
// Loading, translating, sending, and swapping out again. Any failure on the way leaves `dirty_`,
// and the next command begins with a sweep: a leaked object or session would starve everybody.
#include "hv/tpm/channel.hpp"

#include "response.hpp"

namespace ravelin::hv::tpm {

using wire::tpm::Handle;
using Kind = Permitted::Reference::Kind;
namespace rc = wire::tpm::rc;

namespace {

constexpr usize header_size = 10;
constexpr Locality domain_locality{0};
/// Denials printed in full; after that only every 1024th, because a domain must not own the
/// console.
constexpr u64 loud_denials = 32;
constexpr u64 quiet_stride = 1024;

/// What TPM2_GetCapability lists: by handle type. [TPM 2.0 part 2, 7.2]
constexpr Handle transient_objects{0x8000'0000};
constexpr Handle loaded_sessions{0x0200'0000};
constexpr Handle saved_sessions{0x0300'0000};

u32 read_u32(std::span<const u8> bytes, usize at) {
    return u32{bytes[at]} << 24 | u32{bytes[at + 1]} << 16 | u32{bytes[at + 2]} << 8 |
           u32{bytes[at + 3]};
}

void write_u32(std::span<u8> bytes, usize at, u32 value) {
    for (unsigned i = 0; i < 4; ++i)
        bytes[at + i] = static_cast<u8>(value >> (24 - 8 * i));
}

/// The TPM says that a handle names nothing it has loaded.
bool means_gone(const TpmError& error) {
    if (error.kind != TpmError::Kind::refused)
        return false;
    return wire::tpm::base_code(error.code) == rc::handle || error.code == rc::reference_h0;
}

} // namespace

Status<ChannelError> Channel::submit(std::span<const u8> command) {
    if (state_ != State::idle)
        return Failure{ChannelError::busy};
    if (command.size() > command_.size())
        return Failure{ChannelError::too_large};
    // The decision is made on our copy: the domain's bytes were copied in once by the caller.
    for (usize i = 0; i < command.size(); ++i)
        command_[i] = command[i];
    const auto bytes = std::span{command_}.first(command.size());
    const auto decision = permit(bytes, handles_);
    if (!decision.is_ok()) {
        deny(bytes, decision.error());
        return Unit{};
    }
    ++counters_.permitted;
    permitted_ = decision.value();
    execute(bytes);
    return Unit{};
}

void Channel::execute(std::span<const u8> command) {
    if (permitted_.lists_from) {
        answer_handles();
        return;
    }
    if (permitted_.flushes) {
        if (auto* object = handles_.object(*permitted_.flushes)) {
            VirtualHandles::drop(*object);
            answer(rc::success);
            return;
        }
    }
    if (permitted_.creates == Creates::object && handles_.free_object() == nullptr) {
        answer(rc::object_memory);
        return;
    }
    if (permitted_.creates == Creates::session && handles_.free_session() == nullptr) {
        answer(rc::session_handles);
        return;
    }
    if (dirty_) {
        const auto swept = sweep();
        if (!swept.is_ok()) {
            fail(swept.error());
            return;
        }
    }
    const u32 loaded = load_references();
    if (loaded != rc::success) {
        swap_out();
        answer(loaded);
        return;
    }
    translate(std::span{command_}.first(command.size()));
    auto started = tpm_.transport().use(domain_locality);
    if (started.is_ok())
        started = tpm_.transport().start(command);
    if (!started.is_ok()) {
        take_back();
        swap_out();
        fail({.kind = TpmError::Kind::transport,
              .transport = started.error(),
              .command = permitted_.code});
        return;
    }
    state_ = State::executing;
}

u32 Channel::load_references() {
    objects_.clear();
    sessions_.clear();
    unsigned place = 0;
    for (const auto& reference : permitted_.references) {
        const u32 code = load_reference(reference, place++);
        if (code != rc::success)
            return code;
    }
    return rc::success;
}

u32 Channel::load_reference(const Permitted::Reference& reference, unsigned place) {
    const u32 not_loaded = rc::reference_h0 + place;
    switch (reference.kind) {
    case Kind::attestation_key:
        return attestation_key_ ? rc::success : not_loaded;
    case Kind::object: {
        for (const auto& loaded : objects_)
            if (loaded.handle == reference.handle)
                return rc::success;
        const auto real = tpm_.context_load(handles_.object(reference.handle)->context.span());
        if (!real.is_ok()) {
            dirty_ = true;
            console_.line(
                (Text{"tpm: domain's object not reloaded: "} << real.error().describe().view())
                    .view());
            return not_loaded;
        }
        ensure(objects_.push_back({reference.handle, real.value()}), "TPM objects of a command");
        return rc::success;
    }
    case Kind::session: {
        for (const auto loaded : sessions_)
            if (loaded == reference.handle)
                return rc::success;
        auto* session = handles_.session(reference.handle);
        const auto real = tpm_.context_load(session->context.span());
        if (!real.is_ok() || real.value() != reference.handle) {
            VirtualHandles::drop(*session);
            dirty_ = true;
            return not_loaded;
        }
        ensure(sessions_.push_back(reference.handle), "TPM sessions of a command");
        return rc::success;
    }
    }
    return not_loaded;
}

void Channel::translate(std::span<u8> command) const {
    for (const auto& reference : permitted_.references) {
        if (reference.kind == Kind::attestation_key)
            write_u32(command, reference.offset, attestation_key_->raw());
        if (reference.kind == Kind::object)
            for (const auto& loaded : objects_)
                if (loaded.handle == reference.handle)
                    write_u32(command, reference.offset, loaded.real.raw());
    }
}

Result<Progress, ChannelError> Channel::poll() {
    if (state_ == State::idle)
        return Failure{ChannelError::idle};
    if (state_ == State::complete)
        return Progress::complete;
    const auto progress = tpm_.transport().poll();
    if (progress.is_ok() && progress.value() == Progress::executing)
        return Progress::executing;
    if (progress.is_ok()) {
        complete();
    } else {
        dirty_ = true;
        take_back();
        swap_out();
        fail({.kind = TpmError::Kind::transport,
              .transport = progress.error(),
              .command = permitted_.code});
    }
    return Progress::complete;
}

void Channel::complete() {
    const auto response = tpm_.transport().finish(response_);
    take_back();
    const auto malformed = [&] {
        dirty_ = true;
        swap_out();
        fail({.kind = TpmError::Kind::malformed, .command = permitted_.code});
    };
    if (!response.is_ok()) {
        dirty_ = true;
        swap_out();
        fail({.kind = TpmError::Kind::transport,
              .transport = response.error(),
              .command = permitted_.code});
        return;
    }
    response_size_ = response.value().size();
    const auto header = wire::tpm::decode_response_header(response.value());
    if (!header.is_ok()) {
        malformed();
        return;
    }
    if (header.value().code == rc::success && permitted_.creates != Creates::nothing) {
        if (response_size_ < header_size + sizeof(u32)) {
            malformed();
            return;
        }
        const u32 kept = keep_created();
        if (kept != rc::success) {
            swap_out();
            answer(kept);
            return;
        }
    }
    if (header.value().code == rc::success && permitted_.flushes)
        if (auto* session = handles_.session(*permitted_.flushes))
            VirtualHandles::drop(*session);
    swap_out();
    state_ = State::complete;
}

u32 Channel::keep_created() {
    const Handle real{read_u32(response_, header_size)};
    const auto saved = save(real);
    if (permitted_.creates == Creates::object) {
        auto* object = handles_.free_object();
        const bool kept = saved.is_ok() && object->context.assign(saved.value());
        if (!tpm_.flush(real).is_ok())
            dirty_ = true;
        if (!kept)
            return rc::object_memory;
        handles_.take(*object);
        write_u32(response_, header_size, handles_.handle_of(*object).raw());
        return rc::success;
    }
    auto* session = handles_.free_session();
    if (!saved.is_ok() || !session->context.assign(saved.value())) {
        if (!tpm_.flush(real).is_ok())
            dirty_ = true;
        return rc::session_memory;
    }
    handles_.take(*session, real);
    handles_.saved(*session);
    return rc::success;
}

Result<std::span<const u8>, TpmError> Channel::save(Handle handle) {
    auto saved = tpm_.context_save(handle);
    for (usize i = 0; i < VirtualHandles::max_sessions; ++i) {
        const bool gap = !saved.is_ok() && saved.error().kind == TpmError::Kind::refused &&
                         saved.error().code == rc::context_gap;
        if (!gap || !drop_oldest_session())
            break;
        saved = tpm_.context_save(handle);
    }
    return saved;
}

void Channel::take_back() {
    // What follows is sent at the locality that is in use: without it every command fails.
    if (!tpm_.transport().use(own_locality_).is_ok())
        dirty_ = true;
}

void Channel::swap_out() {
    for (const auto& loaded : objects_)
        if (!tpm_.flush(loaded.real).is_ok())
            dirty_ = true;
    objects_.clear();
    for (const auto handle : sessions_) {
        auto* session = handles_.session(handle);
        if (session == nullptr) // flushed by this very command
            continue;
        // One that the command ended (continueSession clear) is no longer there to be saved.
        const auto saved = save(handle);
        if (saved.is_ok() && session->context.assign(saved.value())) {
            handles_.saved(*session);
            continue;
        }
        VirtualHandles::drop(*session);
        if (saved.is_ok() || !means_gone(saved.error()))
            dirty_ = true;
    }
    sessions_.clear();
}

bool Channel::drop_oldest_session() {
    // A session in use is loaded, not saved, and does not hold the counter back.
    VirtualHandles::Session* oldest = handles_.oldest_session(sessions_.span());
    if (oldest == nullptr)
        return false;
    const Handle handle = oldest->handle;
    VirtualHandles::drop(*oldest);
    console_.line("tpm: a session of the domain was dropped, unused for too long");
    if (!tpm_.flush(handle).is_ok())
        dirty_ = true;
    return true;
}

Status<TpmError> Channel::sweep() {
    dirty_ = true;
    HandleList found;
    (void)RAVELIN_TRY(tpm_.list_handles(transient_objects, found));
    for (const Handle handle : found)
        if (handle != attestation_key_)
            (void)RAVELIN_TRY(tpm_.flush(handle));
    // Between two commands no session is loaded: what is, came out of an error.
    (void)RAVELIN_TRY(tpm_.list_handles(loaded_sessions, found));
    for (const Handle handle : found)
        (void)RAVELIN_TRY(tpm_.flush(handle));
    (void)RAVELIN_TRY(tpm_.list_handles(saved_sessions, found));
    for (const Handle handle : found)
        if (!handles_.has_session_number(handle))
            (void)RAVELIN_TRY(tpm_.flush(handle));
    handles_.keep_sessions(found.span());
    dirty_ = false;
    return Unit{};
}

Result<std::span<const u8>, ChannelError> Channel::take(std::span<u8> into) {
    if (state_ == State::idle)
        return Failure{ChannelError::idle};
    if (state_ == State::executing)
        return Failure{ChannelError::busy};
    if (response_size_ > into.size())
        return Failure{ChannelError::too_large};
    for (usize i = 0; i < response_size_; ++i)
        into[i] = response_[i];
    state_ = State::idle;
    return std::span<const u8>{into.first(response_size_)};
}

Status<ChannelError> Channel::cancel() {
    if (state_ != State::executing)
        return Failure{ChannelError::idle};
    (void)tpm_.transport().cancel();
    return Unit{};
}

Status<TpmError> Channel::settle() {
    const u64 start = tpm_.clock().microseconds();
    constexpr u64 patience = 300'000'000;
    bool cancelled = false;
    while (state_ == State::executing) {
        (void)poll();
        if (state_ == State::executing && !cancelled) {
            // The hypervisor does not wait for somebody else's key generation.
            (void)cancel();
            cancelled = true;
        }
        if (tpm_.clock().microseconds() - start > patience)
            return Failure{TpmError{.kind = TpmError::Kind::transport,
                                    .transport = TransportError::response_timeout,
                                    .command = permitted_.code}};
        tpm_.clock().relax();
    }
    if (dirty_)
        return sweep();
    return Unit{};
}

void Channel::deny(std::span<const u8> command, Denial denial) {
    const u64 count = ++counters_.denied;
    if (count <= loud_denials || count % quiet_stride == 0) {
        const auto code = command.size() < header_size ? 0 : read_u32(command, 6);
        Text text{"tpm: domain 0 refused: "};
        text << wire::tpm::name(static_cast<wire::tpm::CommandCode>(code)) << " (";
        text.hex(code) << "): " << name(denial) << ", refusal ";
        console_.line(text.decimal(count).view());
    }
    answer(response_code(denial));
}

void Channel::fail(const TpmError& error) {
    dirty_ = true;
    console_.line((Text{"tpm: domain 0's command failed: "} << error.describe().view()).view());
    answer(rc::failure);
}

void Channel::answer(u32 code) {
    BigWriter writer{response_};
    writer.integer(static_cast<u16>(wire::tpm::Tag::no_sessions))
        .integer(static_cast<u32>(header_size))
        .integer(code);
    response_size_ = writer.offset();
    state_ = State::complete;
}

void Channel::answer_handles() {
    const u32 first = permitted_.lists_from->raw();
    BigWriter writer{response_};
    writer.integer(static_cast<u16>(wire::tpm::Tag::no_sessions)).integer(u32{0});
    writer.integer(rc::success).integer(u8{0}).integer(u32{1}).integer(u32{0});
    const usize count_at = writer.offset() - sizeof(u32);
    u32 count = 0;
    const auto list = [&](Handle handle) {
        if (handle.raw() < first || handle.raw() >> 24 != first >> 24)
            return;
        writer.integer(handle.raw());
        ++count;
    };
    for (const auto& object : handles_.objects())
        if (object.used)
            list(handles_.handle_of(object));
    for (const auto& session : handles_.sessions())
        if (session.used)
            list(session.handle);
    writer.patch(count_at, count);
    writer.patch(2, static_cast<u32>(writer.offset()));
    response_size_ = writer.offset();
    state_ = State::complete;
}

} // namespace ravelin::hv::tpm

// SPDX-License-Identifier: Apache-2.0
// Locality handling and the FIFO state machine: Idle, Ready, Reception, Execution, Completion. [PTP
// 6.5.3]
#include "hv/tpm/tis.hpp"

#include <base/cursor.hpp>

namespace ravelin::hv::tpm {

using tis::Access;
using tis::TpmStatus;

namespace {

/// Tag, size, code: what every command and response begins with. [TPM 2.0 part 1, 18]
constexpr usize header_size = 10;

constexpr u64 prompt_timeout = 10'000'000;
constexpr u64 patient_timeout = 300'000'000;

/// The size field of a command or response.
Result<u32, TransportError> size_field(std::span<const u8> header, TransportError malformed) {
    BigReader reader{header};
    const auto tag = reader.integer<u16>();
    const auto size = reader.integer<u32>();
    if (!tag.is_ok() || !size.is_ok())
        return Failure{malformed};
    return size.value();
}

} // namespace

template <typename Condition> bool Tis::wait(u64 timeout, Condition&& condition) {
    const u64 start = clock_.microseconds();
    for (;;) {
        if (condition())
            return true;
        // The difference, so that a clock that wraps does no harm. The condition was looked at
        // after the last reading of the clock.
        if (clock_.microseconds() - start > timeout)
            return condition();
        clock_.relax();
    }
}

bool Tis::active() {
    const u8 value = access();
    return Access::ValidStatus::get(value) && Access::ActiveLocality::get(value) &&
           !Access::Reserved::get(value);
}

Status<TransportError> Tis::probe() {
    locality_ = Locality{0};
    state_ = State::idle;
    const u32 id = vendor();
    if (id == 0 || id == ~u32{0})
        return Failure{TransportError::absent};
    const bool valid = wait(tis::timeout_a, [&] {
        const u8 value = access();
        return Access::ValidStatus::get(value) && !Access::Reserved::get(value);
    });
    if (!valid)
        return Failure{TransportError::absent};
    const u32 interface = registers_.read32(tis::interface_id_offset);
    if (tis::InterfaceId::TypeField::get(interface) == tis::InterfaceId::Type::crb)
        return Failure{TransportError::not_tpm2};
    (void)RAVELIN_TRY(request(Locality{0}));
    if (TpmStatus::FamilyField::get(status()) != TpmStatus::Family::tpm20)
        return Failure{TransportError::not_tpm2};
    const u32 interrupts = registers_.read32(at(tis::interrupt_enable_offset));
    registers_.write32(at(tis::interrupt_enable_offset),
                       tis::InterruptEnable::Global::set(interrupts, false));
    return Unit{};
}

Status<TransportError> Tis::request(Locality locality) {
    if (state_ != State::idle)
        return Failure{TransportError::busy};
    ensure(locality.raw() < tis::locality_count, "TPM locality out of range");
    if (locality != locality_ && active())
        (void)RAVELIN_TRY(relinquish());
    locality_ = locality;
    if (active())
        return Unit{};
    registers_.write8(at(tis::access_offset), Access::RequestUse::of(true));
    if (!wait(tis::timeout_a, [&] { return active(); }))
        return Failure{TransportError::locality_timeout};
    return Unit{};
}

Status<TransportError> Tis::seize(Locality locality) {
    ensure(locality.raw() < tis::locality_count, "TPM locality out of range");
    locality_ = locality;
    state_ = State::idle;
    if (active())
        return Unit{};
    // [PTP 6.5.2.4]: Seize acts only from a higher locality than the active one, and the TPM aborts
    // what the holder was doing.
    registers_.write8(at(tis::access_offset), Access::Seize::of(true));
    if (!wait(tis::timeout_a, [&] { return active(); }))
        return Failure{TransportError::locality_timeout};
    return Unit{};
}

Status<TransportError> Tis::relinquish() {
    if (state_ != State::idle)
        return Failure{TransportError::busy};
    registers_.write8(at(tis::access_offset), Access::ActiveLocality::of(true));
    if (!wait(tis::timeout_a, [&] { return !Access::ActiveLocality::get(access()); }))
        return Failure{TransportError::locality_timeout};
    return Unit{};
}

Result<u32, TransportError> Tis::valid_status() {
    u32 value = 0;
    const bool came = wait(tis::timeout_c, [&] {
        value = status();
        // All ones is a bus without a device, not a status.
        return TpmStatus::Valid::get(value) && value != ~u32{0};
    });
    if (!came)
        return Failure{TransportError::valid_timeout};
    return value;
}

Result<u16, TransportError> Tis::burst() {
    u16 count = 0;
    const bool came = wait(tis::timeout_a, [&] {
        const u32 value = status();
        count = value == ~u32{0} ? u16{0} : TpmStatus::BurstCount::get(value);
        return count != 0;
    });
    if (!came)
        return Failure{TransportError::burst_timeout};
    return count;
}

Status<TransportError> Tis::make_ready() {
    if (!active())
        return Failure{TransportError::locality_lost};
    const u32 value = status();
    if (TpmStatus::CommandReady::get(value) && value != ~u32{0})
        return Unit{};
    // From Completion or Reception the first write leads to Idle, the second to Ready. [PTP table
    // 24]
    for (unsigned attempt = 0; attempt < 2; ++attempt) {
        registers_.write32(at(tis::status_offset), TpmStatus::CommandReady::of(true));
        const u64 timeout = attempt == 0 ? tis::timeout_d : tis::timeout_b;
        const bool ready = wait(timeout, [&] {
            const u32 now = status();
            return TpmStatus::CommandReady::get(now) && now != ~u32{0};
        });
        if (ready)
            return Unit{};
    }
    return Failure{TransportError::ready_timeout};
}

Status<TransportError> Tis::send(std::span<const u8> command) {
    // All but the last byte while the TPM expects more; after the last it must expect nothing.
    const auto body = command.first(command.size() - 1);
    usize sent = 0;
    while (sent < body.size()) {
        const u16 room = RAVELIN_TRY(burst());
        for (usize i = 0; i < room && sent < body.size(); ++i)
            registers_.write8(at(tis::data_fifo_offset), body[sent++]);
        const u32 value = RAVELIN_TRY(valid_status());
        if (!TpmStatus::Expect::get(value))
            return Failure{TransportError::expect_early};
    }
    (void)RAVELIN_TRY(burst());
    registers_.write8(at(tis::data_fifo_offset), command.back());
    const u32 value = RAVELIN_TRY(valid_status());
    if (TpmStatus::Expect::get(value))
        return Failure{TransportError::expect_late};
    return Unit{};
}

Status<TransportError> Tis::start(std::span<const u8> command) {
    if (state_ != State::idle)
        return Failure{TransportError::busy};
    const u32 size = RAVELIN_TRY(size_field(command, TransportError::command_malformed));
    if (size != command.size() || size < header_size || size > max_size)
        return Failure{TransportError::command_malformed};
    (void)RAVELIN_TRY(make_ready());
    const auto sent = send(command);
    if (!sent.is_ok()) {
        abort();
        return sent;
    }
    if (!active()) {
        abort();
        return Failure{TransportError::locality_lost};
    }
    registers_.write32(at(tis::status_offset), TpmStatus::Go::of(true));
    state_ = State::executing;
    return Unit{};
}

Result<Progress, TransportError> Tis::poll() {
    if (state_ != State::executing)
        return Failure{TransportError::idle};
    const u32 value = status();
    if (value == ~u32{0}) {
        abort();
        return Failure{TransportError::absent};
    }
    if (TpmStatus::Valid::get(value) && TpmStatus::DataAvailable::get(value))
        return Progress::complete;
    if (!active()) {
        abort();
        return Failure{TransportError::locality_lost};
    }
    return Progress::executing;
}

Status<TransportError> Tis::receive(std::span<u8> bytes) {
    usize received = 0;
    while (received < bytes.size()) {
        const u32 value = RAVELIN_TRY(valid_status());
        if (!TpmStatus::DataAvailable::get(value))
            return Failure{TransportError::response_short};
        const u16 available = RAVELIN_TRY(burst());
        for (usize i = 0; i < available && received < bytes.size(); ++i)
            bytes[received++] = registers_.read8(at(tis::data_fifo_offset));
    }
    return Unit{};
}

Result<std::span<const u8>, TransportError> Tis::read_response(std::span<u8> buffer) {
    if (buffer.size() < header_size)
        return Failure{TransportError::response_overflow};
    (void)RAVELIN_TRY(receive(buffer.first(header_size)));
    const u32 size =
        RAVELIN_TRY(size_field(buffer.first(header_size), TransportError::response_malformed));
    if (size < header_size || size > max_size)
        return Failure{TransportError::response_malformed};
    if (size > buffer.size())
        return Failure{TransportError::response_overflow};
    (void)RAVELIN_TRY(receive(buffer.subspan(header_size, size - header_size)));
    const u32 value = RAVELIN_TRY(valid_status());
    if (TpmStatus::DataAvailable::get(value))
        return Failure{TransportError::response_long};
    // Bytes read while another locality held the TPM would be all ones.
    if (!active())
        return Failure{TransportError::locality_lost};
    return std::span<const u8>{buffer.first(size)};
}

Result<std::span<const u8>, TransportError> Tis::finish(std::span<u8> buffer) {
    if (state_ != State::executing)
        return Failure{TransportError::idle};
    auto response = read_response(buffer);
    abort();
    return response;
}

Status<TransportError> Tis::cancel() {
    if (state_ != State::executing)
        return Failure{TransportError::idle};
    registers_.write32(at(tis::status_offset), TpmStatus::CommandCancel::of(true));
    return Unit{};
}

void Tis::abort() {
    registers_.write32(at(tis::status_offset), TpmStatus::CommandReady::of(true));
    state_ = State::idle;
}

Result<std::span<const u8>, TransportError>
Tis::transact(std::span<const u8> command, std::span<u8> buffer, Patience patience) {
    (void)RAVELIN_TRY(start(command));
    TransportError error{};
    bool failed = false;
    const auto done = [&] {
        const auto progress = poll();
        if (!progress.is_ok()) {
            error = progress.error();
            return failed = true;
        }
        return progress.value() == Progress::complete;
    };
    const u64 timeout = patience == Patience::prompt ? prompt_timeout : patient_timeout;
    const bool in_time = wait(timeout, done);
    if (failed)
        return Failure{error};
    if (in_time)
        return finish(buffer);
    (void)RAVELIN_TRY(cancel());
    const bool gave_up = wait(tis::timeout_b, done);
    if (failed)
        return Failure{error};
    if (!gave_up) {
        abort();
        return Failure{TransportError::response_timeout};
    }
    auto response = finish(buffer);
    if (!response.is_ok())
        return response;
    return Failure{TransportError::response_timeout};
}

std::string_view name(TransportError error) {
    switch (error) {
    case TransportError::absent:
        return "no TPM answers";
    case TransportError::not_tpm2:
        return "not a TPM 2.0 with a FIFO interface";
    case TransportError::locality_timeout:
        return "locality not granted in time";
    case TransportError::locality_lost:
        return "locality taken by another";
    case TransportError::ready_timeout:
        return "not ready in time";
    case TransportError::burst_timeout:
        return "no burst count in time";
    case TransportError::valid_timeout:
        return "no valid status in time";
    case TransportError::expect_early:
        return "TPM stopped expecting before the command's end";
    case TransportError::expect_late:
        return "TPM expects more than the command";
    case TransportError::response_timeout:
        return "no response in time";
    case TransportError::response_short:
        return "response ends early";
    case TransportError::response_long:
        return "response goes on after its end";
    case TransportError::response_malformed:
        return "response size is impossible";
    case TransportError::response_overflow:
        return "response does not fit";
    case TransportError::command_malformed:
        return "command size is wrong";
    case TransportError::cancelled:
        return "cancelled";
    case TransportError::busy:
        return "another command is on its way";
    case TransportError::idle:
        return "no command is on its way";
    }
    return "unknown transport error";
}

} // namespace ravelin::hv::tpm

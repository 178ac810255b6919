// SPDX-License-Identifier: Apache-2.0
// From bytes to an operation and back, and what the operator is told.
#include "hv/life/life.hpp"

#include <algorithm>

namespace ravelin::hv::life {
namespace {

namespace control = wire::control;
using control::Operation;
using Stage = Record::Stage;

i64 to_errno(Problem problem) {
    switch (problem) {
    case Problem::no_such_domain:
        return control::esrch;
    case Problem::name_taken:
        return control::eexist;
    case Problem::no_memory:
        return control::enomem;
    case Problem::too_many:
        return control::enobufs;
    case Problem::wrong_state:
    case Problem::bad_image:
    case Problem::bad_request:
        return control::einval;
    case Problem::bad_address:
        return control::efault;
    case Problem::has_devices:
        return control::ebusy;
    case Problem::again:
        return control::eagain;
    }
    return control::eio;
}

/// The most bytes an operation answers: looked for before it is carried out, so that nothing is
/// done whose answer would be lost.
usize longest_answer(Operation operation) {
    switch (operation) {
    case Operation::vm_create:
        return 2;
    case Operation::vm_seal:
        return 32;
    case Operation::vm_info:
        return 512;
    case Operation::vm_shutdown_reason:
        return 128;
    case Operation::console_read:
        return 64;
    case Operation::console_write:
        return 4;
    case Operation::host_memory:
        return 16;
    default:
        return 0;
    }
}

control::VmState state_of(const Record* record, const std::optional<Facts>& facts) {
    using control::VmState;
    if (record != nullptr && record->stage == Stage::dying)
        return VmState::dying;
    if (facts && facts->end != control::VmEnd::none)
        return VmState::stopped;
    if (record != nullptr && record->stage < Stage::sealed)
        return VmState::building;
    if (record != nullptr && record->stage == Stage::sealed)
        return VmState::sealed;
    return facts && facts->is_paused ? VmState::paused : VmState::running;
}

template <typename Message>
Result<usize, Problem> answer(const Message& message, std::span<u8> response) {
    const auto encoded = encode(message, response);
    if (!encoded)
        return Failure{Problem::bad_request};
    return encoded.value().size();
}

} // namespace

i64 Life::control(u64 operation,
                  Caller& caller,
                  std::span<const u8> request,
                  std::span<u8> response) {
    if (response.size() < longest_answer(static_cast<Operation>(operation)))
        return -control::enobufs;
    const LockGuard guard{lock_};
    const Answer done = dispatch(operation, caller, request, response);
    return done ? static_cast<i64>(done.value()) : -to_errno(done.error());
}

Life::Answer
Life::dispatch(u64 operation, Caller& caller, std::span<const u8> request, Response response) {
    // Decodes, and hands the decoded message on.
    const auto with = [request]<typename Message>(Message*, auto&& body) -> Answer {
        const auto message = control::decode<Message>(request);
        if (!message)
            return Failure{Problem::bad_request};
        return body(message.value());
    };
    constexpr control::VmReference* reference = nullptr;
    switch (static_cast<Operation>(operation)) {
    case Operation::vm_create:
        return with(static_cast<control::VmCreate*>(nullptr),
                    [&](const auto& m) { return create(m, response); });
    case Operation::vm_load:
        return with(static_cast<control::VmLoad*>(nullptr),
                    [&](const auto& m) { return load(m, caller); });
    case Operation::vm_seal:
        return with(reference, [&](const auto& m) { return seal(m.domain, response); });
    case Operation::vm_unpause:
        return with(reference, [&](const auto& m) { return unpause(m.domain); });
    case Operation::vm_pause:
        return with(reference, [&](const auto& m) { return pause(m.domain, caller); });
    case Operation::vm_destroy:
        return with(reference, [&](const auto& m) { return destroy(m.domain, caller); });
    case Operation::vm_list:
        return with(static_cast<control::VmListRequest*>(nullptr),
                    [&](const auto& m) { return list(m.first, response); });
    case Operation::vm_info:
        return with(reference, [&](const auto& m) { return info(m.domain, response); });
    case Operation::vm_memory:
        return with(static_cast<control::VmMemory*>(nullptr),
                    [&](const auto& m) { return set_memory(m); });
    case Operation::vm_schedule:
        return with(static_cast<control::VmSchedule*>(nullptr),
                    [&](const auto& m) { return set_schedule(m); });
    case Operation::console_read:
        return with(static_cast<control::ConsoleRead*>(nullptr),
                    [&](const auto& m) { return read_console(m, response); });
    case Operation::console_write:
        return with(static_cast<control::ConsoleWrite*>(nullptr),
                    [&](const auto& m) { return write_console(m, response); });
    case Operation::vm_shutdown_reason:
        return with(reference, [&](const auto& m) { return shutdown_reason(m.domain, response); });
    case Operation::host_memory: {
        if (!request.empty())
            return Failure{Problem::bad_request};
        const mm::FrameCounts counts = frames_.counts();
        return answer(control::HostMemory{counts.total, counts.free}, response);
    }
    default:
        return Failure{Problem::bad_request};
    }
}

Result<control::VmInfo, Problem> Life::describe(DomainId id) {
    const Record* const record = find(id);
    const auto facts = host_.facts(id);
    if (record == nullptr && !facts)
        return Failure{Problem::no_such_domain};
    const control::VmState state = state_of(record, facts);
    control::VmInfo info{};
    info.summary.domain = id;
    if (facts) {
        info.summary.name = facts->name;
        info.summary.end = facts->end;
        info.summary.vcpus = facts->vcpus;
        info.summary.memory_kib = facts->memory_kib;
        info.summary.cpu_time_ns = facts->cpu_time_ns;
        info.stop = {state, facts->end, facts->rip, facts->detail, facts->cause};
        info.max_memory_kib = facts->max_memory_kib;
        info.schedule = facts->schedule;
        info.store_port = facts->store_port;
        info.store_frame = facts->store_frame;
        info.console_port = facts->console_port;
        info.console_frame = facts->console_frame;
        info.target_kib = facts->max_memory_kib;
    }
    if (record != nullptr) {
        info.summary.name = record->request.name;
        info.summary.vcpus = record->request.vcpus;
        info.max_memory_kib = u64{record->request.max_memory_mib} << 10;
        info.target_kib = record->target_kib;
        info.digest = record->digest;
        info.label = record->request.label;
        info.store_domain = record->request.store_domain;
        info.device_domain = record->request.device_domain;
    }
    info.summary.state = state;
    info.stop.state = state;
    return info;
}

std::optional<DomainId> Life::next_domain(u32 from) {
    std::optional<DomainId> next;
    const auto consider = [&next, from](DomainId id) {
        if (id.raw() >= from && (!next || id < *next))
            next = id;
    };
    for (const Record* const record : records_)
        consider(record->id);
    for (const DomainId id : host_.domains())
        consider(id);
    return next;
}

Life::Answer Life::list(DomainId first, Response response) {
    usize size = 0;
    for (auto id = next_domain(first.raw()); id; id = next_domain(u32{id->raw()} + 1)) {
        const auto info = describe(*id);
        if (!info)
            continue;
        const auto encoded = encode(info.value().summary, response.subspan(size));
        if (!encoded && encoded.error() == CursorError::bad_value)
            continue; // nothing that can be told of hides the others
        if (!encoded)
            break; // full: the caller asks again behind the last one
        size += encoded.value().size();
    }
    return size;
}

Life::Answer Life::info(DomainId id, Response response) {
    return answer(RAVELIN_TRY(describe(id)), response);
}

Life::Answer Life::shutdown_reason(DomainId id, Response response) {
    return answer(RAVELIN_TRY(describe(id)).stop, response);
}

Life::Answer Life::read_console(const control::ConsoleRead& request, Response response) {
    if (!host_.facts(request.domain))
        return Failure{Problem::no_such_domain};
    // The offset comes first; the text is read to where it will stand.
    constexpr usize header = sizeof(u64);
    u64 offset = request.offset;
    const usize count = host_.read_console(request.domain, offset, response.subspan(header));
    LittleWriter{response}.integer(offset);
    return header + count;
}

Life::Answer Life::write_console(const control::ConsoleWrite& request, Response response) {
    if (!host_.facts(request.domain))
        return Failure{Problem::no_such_domain};
    return answer(control::ConsoleTaken{host_.type(request.domain, request.bytes)}, response);
}

} // namespace ravelin::hv::life

// SPDX-License-Identifier: Apache-2.0
// The transitions. Each looks the domain up, refuses what its stage does not allow, and only then
// changes something.
#include "hv/life/life.hpp"

#include <algorithm>
#include <memory>

namespace ravelin::hv::life {
namespace {

using wire::control::VmCreate;
using Stage = Record::Stage;

constexpr u64 record_frames = (sizeof(Record) + page_size - 1) / page_size;

template <usize size> std::string_view keep(std::array<char, size>& into, std::string_view text) {
    ensure(text.size() <= size, "a decoded text fits its field");
    std::copy(text.begin(), text.end(), into.begin());
    return {into.data(), text.size()};
}

Failure<Problem> fail(Problem problem) {
    return Failure{problem};
}

} // namespace

Record* Life::find(DomainId id) {
    for (Record* const record : records_)
        if (record->id == id)
            return record;
    return nullptr;
}

bool Life::is_name_taken(std::string_view name) {
    for (const Record* const record : records_)
        if (record->request.name == name)
            return true;
    for (const DomainId id : host_.domains())
        if (const auto facts = host_.facts(id); facts && facts->name == name)
            return true;
    return false;
}

DomainId Life::next_id() {
    for (;;) {
        last_id_ = last_id_ + 1 < first_reserved_id ? static_cast<u16>(last_id_ + 1) : u16{1};
        const DomainId id{last_id_};
        // At most max_domains are taken, so that this ends.
        if (find(id) == nullptr && !host_.facts(id))
            return id;
    }
}

Result<Record*, Problem> Life::new_record(const VmCreate& request) {
    if (records_.full())
        return fail(Problem::too_many);
    const auto frame =
        frames_.allocate_contiguous(record_frames, mm::FrameType::cpu, mm::hypervisor_owner);
    if (!frame)
        return fail(Problem::no_memory);
    // SAFETY: frames of our own, large enough, aligned to a page.
    auto* const record = std::construct_at(
        reinterpret_cast<Record*>(host_.bytes(frame.value(), record_frames).data()));
    record->at = frame.value();
    record->id = next_id();
    record->request = request;
    record->request.name = keep(record->name, request.name);
    record->request.label = keep(record->label, request.label);
    record->request.command_line = keep(record->command_line, request.command_line);
    record->target_kib = u64{request.memory_mib} << 10;
    measure_request(request, record->parts);
    ensure(records_.push_back(record), "room was looked for before");
    return record;
}

void Life::forget(Record& record) {
    record.kernel.release(frames_);
    record.ramdisk.release(frames_);
    const auto at = std::find(records_.begin(), records_.end(), &record);
    records_.swap_remove(static_cast<usize>(at - records_.begin()));
    const HostFrame frame = record.at;
    std::destroy_at(&record);
    ensure(frames_.release(frame, record_frames, mm::hypervisor_owner).is_ok(),
           "a record's frames that were not ours");
}

Life::Answer Life::create(const VmCreate& request, Response response) {
    if (is_name_taken(request.name))
        return fail(Problem::name_taken);
    Record* const record = RAVELIN_TRY(new_record(request));
    const auto created = host_.create({record->id,
                                       record->request.name,
                                       request.vcpus,
                                       Bytes{u64{request.memory_mib} << 20},
                                       request.store_domain,
                                       request.schedule});
    if (!created) {
        forget(*record);
        return fail(created.error());
    }
    const auto answer = encode(wire::control::VmReference{record->id}, response);
    ensure(answer.is_ok(), "room was looked for before");
    return answer.value().size();
}

Life::Answer Life::load(const wire::control::VmLoad& request, Caller& caller) {
    Record* const record = find(request.domain);
    if (record == nullptr)
        return fail(Problem::no_such_domain);
    if (record->stage != Stage::building)
        return fail(Problem::wrong_state);
    // What cannot fit the domain does not take the machine's memory.
    if (request.total > u64{record->request.memory_mib} << 20)
        return fail(Problem::bad_image);
    StagedImage& image =
        request.image == wire::control::Image::kernel ? record->kernel : record->ramdisk;
    (void)RAVELIN_TRY(image.load(request, caller, host_, frames_));
    return 0;
}

Status<Problem> Life::measure(Record& record) {
    if (record.kernel.empty() || !record.kernel.complete() || !record.ramdisk.complete())
        return fail(Problem::bad_image);
    record.parts.kernel = record.kernel.digest();
    record.parts.ramdisk = record.ramdisk.digest();
    record.digest = launch_digest(record.parts);
    record.stage = Stage::filling;
    return Unit{};
}

Life::Answer Life::seal(DomainId id, Response response) {
    Record* const record = find(id);
    if (record == nullptr)
        return fail(Problem::no_such_domain);
    if (record->stage == Stage::building)
        (void)RAVELIN_TRY(measure(*record));
    if (record->stage != Stage::filling)
        return fail(Problem::wrong_state);
    builder::Plan plan{};
    plan.name = record->request.name;
    plan.kernel = record->kernel.bytes(host_);
    plan.ramdisk = record->ramdisk.bytes(host_);
    plan.command_line = record->request.command_line;
    plan.memory = Bytes{u64{record->request.memory_mib} << 20};
    plan.vcpus = record->request.vcpus;
    const auto filled = host_.fill(id, plan);
    if (!filled && filled.error() == Problem::again)
        return fail(Problem::again);
    record->kernel.release(frames_);
    record->ramdisk.release(frames_);
    record->stage = filled ? Stage::sealed : Stage::failed;
    if (!filled)
        return fail(filled.error());
    host_.set_memory_limit(id, Bytes{u64{record->request.max_memory_mib} << 20});
    host_.say(record->request.name, "sealed, launch digest", record->digest.sha256);
    const auto answer = encode(record->digest, response);
    ensure(answer.is_ok(), "room was looked for before");
    return answer.value().size();
}

Life::Answer Life::unpause(DomainId id) {
    if (Record* const record = find(id)) {
        if (record->stage == Stage::sealed) {
            record->stage = Stage::started;
        } else if (record->stage == Stage::started && record->paused) {
            record->paused = false;
        } else {
            return fail(Problem::wrong_state);
        }
        host_.unpause(id);
        return 0;
    }
    const auto at = std::find(paused_others_.begin(), paused_others_.end(), id);
    if (at == paused_others_.end())
        return fail(host_.facts(id) ? Problem::wrong_state : Problem::no_such_domain);
    paused_others_.swap_remove(static_cast<usize>(at - paused_others_.begin()));
    host_.unpause(id);
    return 0;
}

Life::Answer Life::pause(DomainId id, const Caller& caller) {
    if (id == caller.id())
        return fail(Problem::bad_request);
    if (Record* const record = find(id)) {
        if (record->stage != Stage::started || record->paused)
            return fail(Problem::wrong_state);
        record->paused = true;
    } else {
        if (!host_.facts(id))
            return fail(Problem::no_such_domain);
        if (std::find(paused_others_.begin(), paused_others_.end(), id) != paused_others_.end())
            return fail(Problem::wrong_state);
        if (!paused_others_.push_back(id))
            return fail(Problem::too_many);
    }
    host_.pause(id);
    return 0;
}

Life::Answer Life::destroy(DomainId id, const Caller& caller) {
    if (id == caller.id())
        return fail(Problem::bad_request);
    Record* const record = find(id);
    if (record != nullptr) {
        // Images of a domain that was never sealed would stay for as long as it takes to die.
        record->stage = Stage::dying;
        record->kernel.release(frames_);
        record->ramdisk.release(frames_);
    }
    // A manifest domain's number is spent like one that was given out.
    if (record == nullptr && host_.facts(id) && id.raw() < first_reserved_id)
        last_id_ = std::max(last_id_, id.raw());
    (void)RAVELIN_TRY(host_.destroy(id));
    if (record != nullptr)
        forget(*record);
    const auto at = std::find(paused_others_.begin(), paused_others_.end(), id);
    if (at != paused_others_.end())
        paused_others_.swap_remove(static_cast<usize>(at - paused_others_.begin()));
    return 0;
}

Life::Answer Life::set_memory(const wire::control::VmMemory& request) {
    if (!host_.facts(request.domain))
        return fail(Problem::no_such_domain);
    Record* const record = find(request.domain);
    if (record != nullptr && request.target_mib > record->request.max_memory_mib)
        return fail(Problem::bad_request);
    if (record != nullptr)
        record->target_kib = u64{request.target_mib} << 10;
    host_.set_memory_limit(request.domain, Bytes{u64{request.target_mib} << 20});
    return 0;
}

Life::Answer Life::set_schedule(const wire::control::VmSchedule& request) {
    if (!host_.facts(request.domain))
        return fail(Problem::no_such_domain);
    (void)RAVELIN_TRY(host_.set_schedule(request.domain, request.schedule));
    return 0;
}

} // namespace ravelin::hv::life

// SPDX-License-Identifier: Apache-2.0
#include "model_host.hpp"

#include <algorithm>
#include <cstdlib>

namespace ravelin::hv::life {

ModelHost::ModelHost(u64 frame_count) : table_(frame_count), memory_(frame_count * page_size) {
    frames.initialise(table_, *this);
    frames.add_ram(HostFrame{0}, frame_count);
}

void ModelHost::scrub(HostFrame first, u64 count) {
    std::ranges::fill(bytes(first, count), u8{0});
}

std::span<u8> ModelHost::bytes(HostFrame first, u64 count) {
    return std::span{memory_}.subspan(first.raw() * page_size, count * page_size);
}

Status<Problem> ModelHost::take(Domain& domain, u64 count) {
    for (u64 i = 0; i < count; ++i) {
        const auto frame =
            frames.allocate(mm::FrameOrder::size_4k, mm::FrameType::domain, mm::hypervisor_owner);
        if (!frame)
            return Failure{Problem::no_memory};
        domain.frames.push_back(frame.value());
    }
    return Unit{};
}

Status<Problem> ModelHost::create(const NewDomain& request) {
    Domain domain;
    domain.name = request.name;
    domain.vcpus = request.vcpus;
    domain.schedule = request.schedule;
    domain.paused = 1;
    if (const auto taken = take(domain, 3); !taken) {
        for (const HostFrame frame : domain.frames)
            (void)frames.release(frame, 1, mm::hypervisor_owner);
        return Failure{taken.error()};
    }
    domains_[request.id.raw()] = domain;
    return Unit{};
}

Status<Problem> ModelHost::fill(DomainId id, const builder::Plan& plan) {
    Domain& domain = domains_.at(id.raw());
    // A thousandth of the memory, in two calls.
    if (const auto taken = take(domain, plan.memory.raw() / page_size / 1000); !taken)
        return Failure{taken.error()};
    if (++domain.built < 2)
        return Failure{Problem::again};
    if (plan.kernel[0] != 0x7f)
        return Failure{Problem::bad_image};
    domain.kernel.assign(plan.kernel.begin(), plan.kernel.end());
    domain.ramdisk.assign(plan.ramdisk.begin(), plan.ramdisk.end());
    domain.command_line = plan.command_line;
    return Unit{};
}

Status<Problem> ModelHost::destroy(DomainId id) {
    const auto at = domains_.find(id.raw());
    if (at == domains_.end())
        return Failure{Problem::no_such_domain};
    at->second.dying = true;
    if (in_use)
        return Failure{Problem::again};
    for (const HostFrame frame : at->second.frames)
        if (!frames.release(frame, 1, mm::hypervisor_owner).is_ok())
            std::abort();
    domains_.erase(at);
    return Unit{};
}

std::optional<Facts> ModelHost::facts(DomainId id) {
    const auto at = domains_.find(id.raw());
    if (at == domains_.end() || at->second.dying)
        return std::nullopt;
    const Domain& domain = at->second;
    Facts facts;
    facts.name = domain.name;
    facts.vcpus = domain.vcpus;
    facts.memory_kib = domain.frames.size() * 4;
    facts.is_paused = domain.paused > 0;
    facts.end = domain.end;
    facts.cause = domain.end == wire::control::VmEnd::fault ? "triple fault" : "";
    facts.schedule = domain.schedule;
    facts.store_port = 1;
    facts.console_port = 2;
    return facts;
}

FixedVector<DomainId, max_domains> ModelHost::domains() {
    FixedVector<DomainId, max_domains> ids;
    for (const auto& [id, domain] : domains_)
        if (!domain.dying)
            (void)ids.push_back(DomainId{id});
    return ids;
}

Status<Problem> ModelHost::set_schedule(DomainId id, const wire::control::Schedule& schedule) {
    domains_.at(id.raw()).schedule = schedule;
    return Unit{};
}

usize ModelHost::read_console(DomainId id, u64& offset, std::span<u8> into) {
    const std::string& said = domains_.at(id.raw()).said;
    offset = std::min<u64>(offset, said.size());
    const usize count = std::min<usize>(into.size(), said.size() - offset);
    std::copy_n(said.begin() + static_cast<long>(offset), count, into.begin());
    return count;
}

u32 ModelHost::type(DomainId id, std::span<const u8> bytes) {
    domains_.at(id.raw()).typed.append(bytes.begin(), bytes.end());
    return static_cast<u32>(bytes.size());
}

bool ModelCaller::copy_in(GuestVirtual from, std::span<u8> into) {
    const u64 at = from.raw() - base;
    if (at > memory.size() || into.size() > memory.size() - at)
        return false;
    std::copy_n(memory.begin() + static_cast<long>(at), into.size(), into.begin());
    return true;
}

} // namespace ravelin::hv::life

// SPDX-License-Identifier: Apache-2.0
// hv/life over the table of domains.
#include "domains/vm.hpp"

#include "domains/run.hpp"
#include "domains/storage.hpp"
#include "lazy.hpp"
#include "memory.hpp"
#include "tpm.hpp"

#include <hv/builder/build.hpp>
#include <hv/life/life.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/timer.hpp>
#include <hv/mm/direct_map.hpp>

namespace ravelin::hv {
namespace {

using life::Problem;
using machine::log;

life::Problem to_problem(builder::BuildError error) {
    return error == builder::BuildError::out_of_frames || error == builder::BuildError::stage2
               ? Problem::no_memory
               : Problem::bad_image;
}

wire::control::VmEnd to_end(std::optional<domain::StopReason> reason) {
    if (!reason)
        return wire::control::VmEnd::none;
    switch (*reason) {
    case domain::StopReason::power_off:
        return wire::control::VmEnd::power_off;
    case domain::StopReason::reboot:
        return wire::control::VmEnd::reboot;
    case domain::StopReason::suspend:
        return wire::control::VmEnd::suspend;
    case domain::StopReason::crash:
        return wire::control::VmEnd::crash;
    case domain::StopReason::watchdog:
        return wire::control::VmEnd::watchdog;
    case domain::StopReason::fault:
    case domain::StopReason::destroyed:
        break;
    }
    return wire::control::VmEnd::fault;
}

class MachineHost final : public life::Host {
  public:
    Status<Problem> create(const life::NewDomain& wanted) override;
    Status<Problem> fill(DomainId id, const builder::Plan& plan) override;
    void pause(DomainId id) override { find_storage(id)->domain.pause(); }
    void unpause(DomainId id) override { find_storage(id)->domain.unpause(); }
    Status<Problem> destroy(DomainId id) override;
    std::optional<life::Facts> facts(DomainId id) override;
    FixedVector<DomainId, life::max_domains> domains() override { return domain_ids(); }
    Status<Problem> set_schedule(DomainId id, const wire::control::Schedule& schedule) override {
        DomainStorage& storage = *find_storage(id);
        if (!set_share(storage, {schedule.weight, schedule.cap, schedule.reservation}))
            return Failure{Problem::bad_request};
        storage.schedule = schedule;
        return Unit{};
    }
    void set_memory_limit(DomainId id, Bytes limit) override {
        find_storage(id)->state.balloon.set_maximum(limit.raw() >> page_shift);
    }
    usize read_console(DomainId id, u64& offset, std::span<u8> into) override {
        return find_storage(id)->console.read(offset, into);
    }
    u32 type(DomainId id, std::span<const u8> bytes) override;
    std::span<u8> bytes(HostFrame first, u64 count) override {
        return {mm::direct_map_pointer<u8>(first.address()), count * page_size};
    }
    void say(std::string_view domain, std::string_view what, std::span<const u8> digest) override;
};

class VcpuCaller final : public life::Caller {
  public:
    explicit VcpuCaller(domain::Vcpu& vcpu) : vcpu_{vcpu} {}
    DomainId id() const override { return vcpu_.domain().id(); }
    bool copy_in(GuestVirtual from, std::span<u8> into) override {
        return vcpu_.copy_in(from, into).is_ok();
    }

  private:
    domain::Vcpu& vcpu_;
};

constinit MachineHost host;
constinit Lazy<life::Life> lives;

class VmControl final : public abi::ControlHandler {
  public:
    i64 control(domain::Vcpu& caller,
                u64 operation,
                std::span<const u8> request,
                std::span<u8> response) override {
        using wire::control::Operation;
        if (operation < static_cast<u64>(Operation::vm_create) ||
            operation > static_cast<u64>(Operation::host_memory))
            return control_handler().control(caller, operation, request, response);
        VcpuCaller with{caller};
        return lives->control(operation, with, request, response);
    }
};
constinit VmControl handler;

Status<Problem> MachineHost::create(const life::NewDomain& wanted) {
    const domain::Identity identity{
        wanted.id, domain::Name{wanted.name}, domain::Role::guest, LabelId{0}};
    if (wanted.vcpus > domain::Domain::max_vcpus)
        return Failure{Problem::bad_request};
    if (!builder::is_memory_size(wanted.memory))
        return Failure{Problem::bad_request};
    if (domain_ids().full())
        return Failure{Problem::too_many};
    if (!create_domain(identity, wanted.vcpus))
        return Failure{Problem::no_memory};
    DomainStorage& storage = *find_storage(wanted.id);
    const bool scheduled = set_schedule(wanted.id, wanted.schedule).is_ok();
    if (scheduled && connect(storage, wanted.store_domain))
        return Unit{};
    // It has never run: at most another CPU looks at it right now.
    while (!destroy_domain(wanted.id))
        __builtin_ia32_pause();
    return Failure{scheduled ? Problem::no_memory : Problem::bad_request};
}

Status<Problem> MachineHost::fill(DomainId id, const builder::Plan& plan) {
    DomainStorage& storage = *find_storage(id);
    const auto given = builder::give_next_part(plan, storage.domain, frames(), storage.filling);
    if (!given)
        return Failure{to_problem(given.error().error)};
    if (!given.value())
        return Failure{Problem::again};
    if (const auto filled = fill_domain(id, plan); !filled) {
        log("domain {} ({}): {}", id, filled.error().what, filled.error().why);
        return Failure{Problem::bad_image};
    }
    return Unit{};
}

Status<Problem> MachineHost::destroy(DomainId id) {
    const bool is_news = facts(id).has_value();
    const auto destroyed = destroy_domain(id);
    if (is_news)
        tell_of_ended_domain(); // the store lets go of the domain's page
    if (destroyed)
        return Unit{};
    switch (destroyed.error()) {
    case DestroyError::no_such_domain:
        return Failure{Problem::no_such_domain};
    case DestroyError::has_devices:
        return Failure{Problem::has_devices};
    case DestroyError::in_use:
        break;
    }
    return Failure{Problem::again};
}

std::optional<life::Facts> MachineHost::facts(DomainId id) {
    const domain::Reference found = directory().find(id);
    if (!found)
        return std::nullopt;
    DomainStorage& storage = *find_storage(id);
    life::Facts facts{};
    facts.name = found->name();
    facts.vcpus = static_cast<u32>(storage.vcpus.size());
    facts.memory_kib = storage.state.balloon.current() * (page_size >> 10);
    facts.max_memory_kib = storage.state.balloon.maximum() * (page_size >> 10);
    facts.cpu_time_ns = machine::tsc_to_nanoseconds(ticks_used(storage));
    facts.is_paused = found->is_paused();
    facts.end = to_end(found->stop_reason());
    if (facts.end != wire::control::VmEnd::none) {
        const domain::StopReport& report = found->stop_report();
        facts.cause = report.what;
        facts.rip = report.rip;
        facts.detail = report.detail;
    }
    facts.schedule = storage.schedule;
    facts.store_port = storage.store_port.raw();
    facts.store_frame = storage.store_port.raw() != 0 ? builder::store_page.raw() : 0;
    facts.console_port = storage.console_port.raw();
    facts.console_frame = storage.console_port.raw() != 0 ? builder::console_page.raw() : 0;
    return facts;
}

u32 MachineHost::type(DomainId id, std::span<const u8> bytes) {
    DomainStorage& storage = *find_storage(id);
    const auto typed = storage.console.type(bytes);
    if (typed.notify == console::Notify::yes)
        guest_abi().notify(storage.domain, storage.console_port);
    return typed.taken;
}

void MachineHost::say(std::string_view domain, std::string_view what, std::span<const u8> digest) {
    std::array<char, 64> hex{};
    for (usize i = 0; i < hex.size() && i / 2 < digest.size(); ++i)
        hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    log("domain {}: {} {}", domain, what, std::string_view{hex.data(), hex.size()});
}

} // namespace

abi::ControlHandler& vm_control() {
    if (!lives.constructed())
        lives.construct(host, frames());
    return handler;
}

} // namespace ravelin::hv

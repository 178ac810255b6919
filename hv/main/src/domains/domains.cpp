// SPDX-License-Identifier: Apache-2.0
// Making and taking down domains. Lock order: the table's is the outermost; the frame allocator's
// comes inside.
#include "domains/domains.hpp"

#include "account.hpp"
#include "dma.hpp"
#include "domains/platform.hpp"
#include "domains/run.hpp"
#include "domains/storage.hpp"
#include "domains/vm.hpp"
#include "lazy.hpp"
#include "memory.hpp"
#include "pci.hpp"

#include <hv/builder/build.hpp>
#include <hv/domain/basic_devices.hpp>
#include <hv/machine/console.hpp>
#include <hv/mm/direct_map.hpp>

#include <algorithm>

namespace ravelin::hv {
namespace {

using machine::log;

/// Copying is accounted for on its own.
class CopyAccount final : public builder::BuildObserver {
  public:
    void copying(bool begins) override {
        if (begins)
            timer_.emplace(Expense::copying);
        else
            timer_.reset();
    }

  private:
    std::optional<ExpenseTimer> timer_;
};

/// The one table of domains.
class Table final : public domain::Directory {
  public:
    using Slots = FixedVector<DomainStorage*, max_domains>;

    domain::Reference find(DomainId id) override {
        return slots_.with([id](Slots& slots) {
            for (DomainStorage* const storage : slots)
                if (storage->domain.id() == id && !storage->dying)
                    return domain::Reference{storage->domain};
            return domain::Reference{};
        });
    }
    template <typename F> decltype(auto) with(F&& body) {
        return slots_.with(std::forward<F>(body));
    }

  private:
    Locked<Slots> slots_;
};

// Written by the boot CPU during start-up; afterwards read only, or under their own locks.
constinit FrameTables stage2_frames{mm::FrameType::page_table};
constinit FrameTables cpu_frames{mm::FrameType::cpu};
constinit DirectFrames direct_frames;
constinit ThisCpu this_cpu;
constinit domain::LocalApicPage local_apic_page{this_cpu};
constinit domain::AbsentTimer absent_timer;
constinit domain::PowerPorts power_ports;
constinit AbiMachine abi_machine;
constinit Lazy<abi::XenAbi> xen_abi;
constinit Lazy<domain::CpuidPolicy> cpuid_policy;
constinit Table table;

Failure<Refusal> refusal(std::string_view what, std::string_view why) {
    return Failure{Refusal{what, why}};
}

Result<std::span<const u8>, Refusal> find_module(const boot::BootInfo& info,
                                                 std::string_view name) {
    const boot::Module* module = info.module(name);
    if (module == nullptr)
        return refusal(name, "the manifest names this module, the loader gave none of that name");
    return std::span<const u8>{mm::direct_map_pointer<const u8>(module->start), module->size.raw()};
}

Result<builder::Plan, Refusal> make_plan(const boot::BootInfo& info,
                                         const wire::ManifestDomain& domain) {
    builder::Plan plan{};
    plan.name = domain.name;
    plan.kernel = RAVELIN_TRY(find_module(info, domain.kernel));
    if (!domain.ramdisk.empty())
        plan.ramdisk = RAVELIN_TRY(find_module(info, domain.ramdisk));
    plan.command_line = domain.command_line;
    plan.memory = Bytes{u64{domain.memory_mib} << 20};
    plan.vcpus = domain.vcpus;
    plan.initial_domain = domain.role == wire::DomainRole::domain0;
    return plan;
}

Status<Refusal> build_domain(const boot::BootInfo& info,
                             const wire::ManifestDomain& manifest,
                             wire::DmaState dma,
                             usize domains) {
    builder::Plan plan = RAVELIN_TRY(make_plan(info, manifest));
    if (dma == wire::DmaState::is_protected)
        plan.pci = choose_devices(manifest);
    const domain::Identity identity{manifest.id,
                                    domain::Name{manifest.name},
                                    plan.initial_domain ? domain::Role::domain0
                                                        : domain::Role::guest,
                                    LabelId{0}};
    (void)RAVELIN_TRY(create_domain(identity, manifest.vcpus));
    DomainStorage& storage = *find_storage(manifest.id);
    const bool under_domain0 = !plan.initial_domain && table.find(DomainId{0}); // made first
    if (!under_domain0)
        choose_echo(storage, plan.initial_domain || domains == 1);
    if (!plan.initial_domain)
        (void)RAVELIN_TRY(
            connect(storage, under_domain0 ? std::optional{DomainId{0}} : std::nullopt));
    return fill_domain(manifest.id, plan);
}

/// Everything but the storage itself and the domain's RAM.
void release_parts(DomainStorage& storage) {
    if (storage.domain.abi_state() != nullptr)
        xen_abi->tear_down(storage.domain, cpu_frames);
    for (VcpuStorage& vcpu : storage.vcpus) {
        vcpu.cpu.release(cpu_frames);
        std::destroy_at(&vcpu);
    }
}

void release_storage(DomainStorage& storage) {
    const HostFrame first = storage.first;
    const u64 count = storage.frames;
    release_parts(storage);
    std::destroy_at(&storage); // its stage-2 tables go with it
    ensure(frames().release(first, count, mm::hypervisor_owner).is_ok(),
           "a domain's storage that was not ours");
}

/// The parts that can run out of frames; storage is in place.
Status<Refusal> set_up(DomainStorage& storage, u32 vcpus) {
    domain::Domain& domain = storage.domain;
    if (!domain.stage2().initialise())
        return refusal(domain.name(), "no memory for its tables");
    if (!add_basic_devices(domain.io_bus(), local_apic_page, absent_timer, power_ports))
        return refusal(domain.name(), "no room on its bus");
    // SAFETY: the frames behind the domain's own object were counted for exactly these.
    auto* const first = reinterpret_cast<VcpuStorage*>(&storage + 1);
    for (u32 i = 0; i < vcpus; ++i) {
        VcpuStorage& made = *std::construct_at(first + i, storage, VcpuId{i}, *cpuid_policy);
        storage.vcpus = {first, i + 1};
        made.lapic.initialise(ApicId{i},
                              i == 0 ? vlapic::BootRole::boot_processor
                                     : vlapic::BootRole::application_processor,
                              storage.apics);
        if (i != 0)
            made.vcpu.set_activity(domain::Activity::awaiting_start_up);
        if (!made.cpu.initialise(boot_cpu_host(), cpu_frames, domain.stage2().root()))
            return refusal(domain.name(), "no memory for its vCPUs");
        if (vcpus > 1)
            made.cpu.leave_when_spinning();
    }
    if (!xen_abi->set_up(domain, storage.state, cpu_frames))
        return refusal(domain.name(), "no memory for its shared pages");
    domain.pause();
    return Unit{};
}

} // namespace

VcpuStorage::VcpuStorage(DomainStorage& owner, VcpuId id, const domain::CpuidPolicy& policy)
    : cpu{boot_cpu_host()}, vcpu{owner.domain, id, cpu.interface(), lapic, this},
      loop{vcpu, this_cpu, policy}, domain{owner} {}

VcpuStorage::Seat::Seat(VcpuStorage& vcpu) : Entity{vcpu.domain.group}, owner{vcpu} {}

DomainStorage::DomainStorage(const domain::Identity& identity,
                             stage2::Layout layout,
                             HostFrame at,
                             u64 size)
    : domain{identity, layout, stage2_frames, direct_frames, *xen_abi}, group{identity.label},
      first{at}, frames{size} {
    domain.stage2().set_invalidator(&shootdown);
}

Status<Refusal> enable_virtualisation() {
    if (const char* const why = enable_virtualisation_here(); why != nullptr)
        return refusal("virtualisation", why);
    log("virtualisation: {}", boot_cpu_host().name());
    cpuid_policy.construct(this_cpu);
    return Unit{};
}

Status<Refusal>
build_domains(const boot::BootInfo& info, const wire::Manifest& manifest, wire::DmaState dma) {
    read_wall_clock();
    xen_abi.construct(abi_machine, &vm_control(), abi::Surroundings{table, frames(), dma_mirror()});
    for (usize i = 0; i < manifest.domain_count(); ++i) {
        const wire::ManifestDomain domain = manifest.domain(i);
        (void)RAVELIN_TRY(build_domain(info, domain, dma, manifest.domain_count()));
    }
    return Unit{};
}

Status<Refusal> create_domain(const domain::Identity& identity, u32 vcpus) {
    if (vcpus == 0 || vcpus > domain::Domain::max_vcpus)
        return refusal(identity.name.view(), "a domain has 1 to 16 vCPUs");
    static_assert(sizeof(DomainStorage) % alignof(VcpuStorage) == 0);
    const u64 size = sizeof(DomainStorage) + vcpus * sizeof(VcpuStorage);
    const u64 count = (size + page_size - 1) / page_size;
    const auto at = frames().allocate_contiguous(count, mm::FrameType::cpu, mm::hypervisor_owner);
    if (!at)
        return refusal(identity.name.view(), "no memory for the domain itself");
    const stage2::Layout layout = boot_cpu_host().layout();
    DomainStorage& storage =
        *std::construct_at(mm::direct_map_pointer<DomainStorage>(at.value().address()),
                           identity,
                           layout,
                           at.value(),
                           count);
    if (const auto done = set_up(storage, vcpus); !done) {
        release_storage(storage);
        return Failure{done.error()};
    }
    const char* why = table.with([&storage, &identity](Table::Slots& slots) -> const char* {
        for (const DomainStorage* const other : slots)
            if (other->domain.id() == identity.id)
                return "another domain has its number";
        return slots.push_back(&storage) ? nullptr : "there are 64 domains already";
    });
    if (why != nullptr) {
        release_storage(storage);
        return refusal(identity.name.view(), why);
    }
    return Unit{};
}

Status<Refusal> fill_domain(DomainId id, const builder::Plan& plan) {
    DomainStorage* const storage = find_storage(id);
    if (storage == nullptr)
        return refusal(plan.name, "no such domain");
    domain::Domain& domain = storage->domain;
    CopyAccount observer;
    const auto entry = builder::build(plan, domain, frames(), storage->filling, observer);
    if (!entry)
        return refusal(domain.name(), builder::text(entry.error()));
    storage->state.balloon.count_memory();
    if (plan.pci) {
        storage->has_devices = true;
        (void)RAVELIN_TRY(hand_over_devices(domain, storage->apics));
    }
    VcpuStorage& first = storage->vcpus[0];
    first.cpu.interface().reset_to_flat_protected_mode(entry.value().rip);
    first.vcpu.registers()[cpu::Register::rbx] = entry.value().start_info;
    storage->state.balloon.set_up(domain, frames(), dma_mirror()); // counts what it has now
    log("domain {} ({}): {} MiB, {} vCPUs, entry {x}",
        id,
        domain.name(),
        plan.memory.raw() >> 20,
        storage->vcpus.size(),
        entry.value().rip);
    return Unit{};
}

Status<DestroyError> destroy_domain(DomainId id) {
    DomainStorage* const storage = find_storage(id);
    if (storage == nullptr)
        return Failure{DestroyError::no_such_domain};
    if (storage->has_devices)
        return Failure{DestroyError::has_devices};
    // One CPU at a time; the storage stays while it is in the table.
    const bool mine = table.with([storage](Table::Slots&) {
        storage->dying = true;
        return !std::exchange(storage->being_destroyed, true);
    });
    if (!mine)
        return Failure{DestroyError::in_use};
    domain::Domain& domain = storage->domain;
    domain.stop(domain::StopReason::destroyed);
    const bool off_cpus = take_off_cpus(*storage);
    if (off_cpus)
        disconnect(*storage);
    const bool unused = domain.users() == 0 && off_cpus && xen_abi->let_go(domain) &&
                        frames().release_unpinned(HostFrame{0}, frames().size(), id) == 0;
    table.with([storage, unused](Table::Slots& slots) {
        storage->being_destroyed = false;
        if (unused)
            slots.swap_remove(
                static_cast<usize>(std::find(slots.begin(), slots.end(), storage) - slots.begin()));
    });
    if (!unused)
        return Failure{DestroyError::in_use};
    release_storage(*storage);
    return Unit{};
}

DomainStorage* find_storage(DomainId id) {
    return table.with([id](Table::Slots& slots) -> DomainStorage* {
        for (DomainStorage* const storage : slots)
            if (storage->domain.id() == id)
                return storage;
        return nullptr;
    });
}

domain::Directory& directory() {
    return table;
}

FixedVector<DomainId, max_domains> domain_ids() {
    return table.with([](Table::Slots& slots) {
        FixedVector<DomainId, max_domains> ids;
        for (const DomainStorage* const storage : slots)
            if (!storage->dying)
                (void)ids.push_back(storage->domain.id());
        return ids;
    });
}

void visit_domains(DomainVisitor visit, void* context) {
    table.with([visit, context](Table::Slots& slots) {
        for (DomainStorage* const storage : slots)
            if (!visit(*storage, context))
                return;
    });
}

abi::XenAbi& guest_abi() {
    return *xen_abi;
}

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// Building the manifest's domains and running domain 0. Each domain has its slot of static storage;
// a vCPU keeps the physical CPU it started on.
#include "domains.hpp"

#include "account.hpp"
#include "dma.hpp"
#include "lazy.hpp"
#include "memory.hpp"
#include "pci.hpp"
#include "platform.hpp"
#include "tpm.hpp"

#include <hv/abi/xen_abi.hpp>
#include <hv/builder/build.hpp>
#include <hv/domain/basic_devices.hpp>
#include <hv/domain/run_loop.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/timer.hpp>
#include <hv/mm/direct_map.hpp>
#include <hv/svm/host.hpp>
#include <hv/svm/virtual_cpu.hpp>
#include <hv/vlapic/bus.hpp>
#include <hv/vlapic/vlapic.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

/// Everything of one domain with one vCPU.
struct Slot {
    Lazy<domain::Domain> domain;
    Lazy<abi::DomainState> state;
    svm::VirtualCpu cpu;
    vlapic::ApicBus apics;
    vlapic::VirtualLocalApic lapic;
    Lazy<domain::Vcpu> vcpu;
};

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

// Written by the boot CPU during start-up; afterwards each slot belongs to the CPU that runs it.
constexpr usize max_domains = wire::Manifest::max_domains;
constinit FrameTables stage2_frames{mm::FrameType::page_table};
constinit FrameTables cpu_frames{mm::FrameType::cpu};
constinit DirectFrames direct_frames;
constinit ThisCpu this_cpu;
constinit domain::LocalApicPage local_apic_page{this_cpu};
constinit domain::AbsentTimer absent_timer;
constinit domain::PowerPorts power_ports;
constinit AbiMachine abi_machine;
constinit Lazy<abi::XenAbi> xen_abi;
constinit svm::Host svm_host;
constinit Lazy<domain::CpuidPolicy> cpuid_policy;
/// The static domains live as long as the machine.
class Domains final : public domain::Directory {
  public:
    domain::Reference find(DomainId id) override {
        domain::Domain* const found = find_domain(id);
        return found != nullptr ? domain::Reference{*found} : domain::Reference{};
    }
};
constinit Domains directory;
constinit Slot slots[max_domains];
usize slot_count = 0;

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

Status<Refusal>
build_domain(const boot::BootInfo& info, const wire::ManifestDomain& manifest, wire::DmaState dma) {
    if (manifest.vcpus != 1)
        return refusal(manifest.name, "this version runs one vCPU a domain");
    builder::Plan plan = RAVELIN_TRY(make_plan(info, manifest));
    if (dma == wire::DmaState::is_protected)
        plan.pci = choose_devices(manifest);
    Slot& slot = slots[slot_count++];
    const domain::Identity identity{manifest.id,
                                    domain::Name{manifest.name},
                                    plan.initial_domain ? domain::Role::domain0
                                                        : domain::Role::guest,
                                    LabelId{0}};
    const stage2::Layout layout{stage2::Format::nested_pages, svm_host.features().largest_page};
    domain::Domain& domain =
        slot.domain.construct(identity, layout, stage2_frames, direct_frames, *xen_abi);
    if (!domain.stage2().initialise())
        return refusal(manifest.name, "no memory for its tables");
    if (!add_basic_devices(domain.io_bus(), local_apic_page, absent_timer, power_ports))
        return refusal(manifest.name, "no room on its bus");
    CopyAccount observer;
    const auto entry = builder::build(plan, domain, frames(), observer);
    if (!entry)
        return refusal(manifest.name, builder::text(entry.error()));
    if (!slot.cpu.initialise(svm_host, cpu_frames, domain.stage2().root()))
        return refusal(manifest.name, "no memory for its vCPU");
    slot.lapic.initialise(ApicId{0}, vlapic::BootRole::boot_processor, slot.apics);
    slot.vcpu.construct(domain, VcpuId{0}, slot.cpu, slot.lapic);
    if (!xen_abi->set_up(domain, slot.state.construct(), cpu_frames))
        return refusal(manifest.name, "no memory for its shared pages");
    (void)RAVELIN_TRY(plan.pci ? hand_over_devices(domain, slot.apics) : Status<Refusal>{Unit{}});
    slot.cpu.reset_to_flat_protected_mode(entry.value().rip);
    slot.vcpu->registers()[cpu::Register::rbx] = entry.value().start_info;
    log("domain {} ({}): {} MiB, entry {x}",
        manifest.id,
        manifest.name,
        manifest.memory_mib,
        entry.value().rip);
    return Unit{};
}

/// What instruction counts make look free, beside how often the guest left.
void report_counters(std::string_view name,
                     const domain::ExitCounters& exits,
                     const cpu::SwitchCounters& switches) {
    log("counters {}: {} world switches, {} TLB flushes, {} IOTLB flushes, {} XCR0 writes",
        name,
        switches.world_switches,
        switches.tlb_flushes,
        iotlb_flushes(),
        switches.xcr0_writes);
    log("exits {}: {} CPUID, {} hypercalls, {} ports, {} MSRs, {} halts, {} MMIO, {} interrupts, "
        "{} windows, {} others",
        name,
        exits.cpuid,
        exits.hypercalls,
        exits.port_io,
        exits.msr,
        exits.halts,
        exits.mmio,
        exits.host_interrupts,
        exits.interrupt_windows,
        exits.others);
}

/// COM1 has an interrupt that only an I/O APIC would route; domain 0 is told of what was typed by
/// looking for it. A DMA fault waits in its unit's records until then.
void look_around() {
    if (machine::console_has_input())
        xen_abi->raise_virtual_interrupt(*slots[0].domain, VIRQ_CONSOLE);
    report_dma_faults();
}
constexpr u64 look_interval_ns = 10'000'000;

} // namespace

Status<Refusal> enable_virtualisation() {
    const auto enabled = svm_host.enable(cpu_frames);
    if (!enabled)
        return refusal("virtualisation", svm::describe(enabled.error()));
    cpuid_policy.construct(this_cpu);
    return Unit{};
}

Status<Refusal>
build_domains(const boot::BootInfo& info, const wire::Manifest& manifest, wire::DmaState dma) {
    read_wall_clock();
    xen_abi.construct(
        abi_machine, &control_handler(), abi::Surroundings{directory, frames(), dma_mirror()});
    for (usize i = 0; i < manifest.domain_count(); ++i) {
        const wire::ManifestDomain domain = manifest.domain(i);
        (void)RAVELIN_TRY(build_domain(info, domain, dma));
    }
    return Unit{};
}

domain::StopReason run_domain0() {
    Slot& slot = slots[0];
    domain::RunLoop loop{*slot.vcpu, this_cpu, *cpuid_policy};
    close_account();
    machine::check_periodically(machine::nanoseconds_to_tsc(look_interval_ns), look_around);
    const domain::StopReport report = loop.run();
    report_dma_faults(); // of its last moments
    log("domain {} stopped: {}{}{}",
        slot.domain->name(),
        domain::describe(report.reason),
        report.what[0] != 0 ? ": " : "",
        report.what);
    if (report.reason == domain::StopReason::fault)
        log("  rip {x} detail {x}", report.rip, report.detail);
    report_counters(slot.domain->name(), loop.counters(), slot.cpu.counters());
    return report.reason;
}

domain::Domain* find_domain(DomainId id) {
    for (usize i = 0; i < slot_count; ++i) {
        if (slots[i].domain->id() == id)
            return &*slots[i].domain;
    }
    return nullptr;
}

} // namespace ravelin::hv

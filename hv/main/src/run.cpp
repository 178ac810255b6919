// SPDX-License-Identifier: Apache-2.0
// The CPU's loop and the end of domains.
#include "run.hpp"

#include "account.hpp"
#include "dma.hpp"
#include "domains.hpp"
#include "platform.hpp"
#include "storage.hpp"
#include "vm.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/power.hpp>
#include <hv/machine/timer.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

constexpr u64 turn_ns = 10'000'000;
constexpr u64 look_interval_ns = 10'000'000;

// The boot CPU's.
constinit svm::Host host;
constinit std::atomic<bool> revoked{false};

/// COM1 has an interrupt that only an I/O APIC would route; domain 0 is told of what was typed by
/// looking for it. A DMA fault waits in its unit's records until then.
void look_around() {
    give_typed_input();
    report_dma_faults();
}

/// What instruction counts make look free, beside how often the guest left.
void report_counters(const DomainStorage& storage) {
    domain::ExitCounters exits{};
    cpu::SwitchCounters switches{};
    for (const VcpuStorage& vcpu : storage.vcpus) {
        exits += vcpu.loop.counters();
        switches += vcpu.cpu.counters();
    }
    log("counters {}: {} world switches, {} TLB flushes, {} IOTLB flushes, {} XCR0 writes",
        storage.domain.name(),
        switches.world_switches,
        switches.tlb_flushes,
        iotlb_flushes(),
        switches.xcr0_writes);
    log("exits {}: {} CPUID, {} hypercalls, {} ports, {} MSRs, {} halts, {} MMIO, {} interrupts, "
        "{} windows, {} others",
        storage.domain.name(),
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

void report_end(const DomainStorage& storage) {
    report_dma_faults(); // of its last moments
    const domain::StopReport& report = storage.domain.stop_report();
    log("domain {} stopped: {}{}{}",
        storage.domain.name(),
        domain::describe(report.reason),
        report.what[0] != 0 ? ": " : "",
        report.what);
    if (report.reason == domain::StopReason::fault)
        log("  rip {x} detail {x}", report.rip, report.detail);
    report_counters(storage);
}

/// Domain 0 ends the machine with it, except when it failed: then the console is worth more. Where
/// there is no domain 0 the last domain does.
void consider_the_end(domain::StopReason reason, bool is_domain0) {
    bool others_live = false;
    visit_domains(
        [](DomainStorage& storage, void* live) {
            bool& found = *static_cast<bool*>(live);
            found =
                found || storage.domain.role() == domain::Role::domain0 || storage.domain.running();
            return !found;
        },
        &others_live);
    if (!is_domain0 && others_live)
        return;
    if (reason == domain::StopReason::power_off)
        machine::power_off();
    if (reason == domain::StopReason::reboot)
        machine::reset();
    log(is_domain0 ? "domain 0 is gone and is not started again: reset the machine"
                   : "the last domain is gone and is not started again: reset the machine");
    machine::halt_for_ever();
}

/// The last CPU to leave a stopped domain says how it ended.
void on_stopped(DomainStorage& storage) {
    if (!storage.domain.is_off_cpus() || storage.reported.exchange(true))
        return;
    report_end(storage);
    tell_of_ended_domain();
    consider_the_end(*storage.domain.stop_reason(), storage.domain.role() == domain::Role::domain0);
}

/// Going round all vCPUs.
struct Search {
    VcpuStorage* after; ///< whose turn was last
    VcpuStorage* found{};
    VcpuStorage* first{};
    DomainStorage* found_in{};
    DomainStorage* first_in{};
    bool passed{};
    std::optional<cpu::Tsc> deadline{};
};

bool search(DomainStorage& storage, void* context) {
    Search& s = *static_cast<Search*>(context);
    for (VcpuStorage& vcpu : storage.vcpus) {
        if (!vcpu.runnable.load()) {
            const auto deadline = vcpu.vcpu.next_deadline();
            if (deadline && (!s.deadline || *deadline < *s.deadline))
                s.deadline = deadline;
            if (!deadline || deadline->raw() > machine::read_tsc())
                continue;
        }
        if (s.first == nullptr) {
            s.first = &vcpu;
            s.first_in = &storage;
        }
        if (s.passed && s.found == nullptr) {
            s.found = &vcpu;
            s.found_in = &storage;
        }
        s.passed = s.passed || &vcpu == s.after;
    }
    return true;
}

void run_turn(VcpuStorage& vcpu, DomainStorage& storage, cpu::Tsc until) {
    const domain::Leave why = vcpu.loop.run({until, revoked});
    vcpu.vcpu.set_on_cpu(false);
    if (why == domain::Leave::blocked || why == domain::Leave::stopped) {
        vcpu.runnable.store(false);
        if (vcpu.vcpu.has_attention())
            vcpu.runnable.store(true);
    }
    if (why == domain::Leave::stopped)
        on_stopped(storage);
}

} // namespace

void VcpuStorage::wake() {
    runnable.store(true);
}

svm::Host& boot_cpu_host() {
    return host;
}

void run_domains() {
    close_account();
    for (const DomainId id : domain_ids())
        directory().find(id)->unpause();
    machine::check_periodically(machine::nanoseconds_to_tsc(look_interval_ns), look_around);
    VcpuStorage* last = nullptr;
    for (;;) {
        Search s{last};
        visit_domains(search, &s);
        if (s.found == nullptr) {
            s.found = s.first;
            s.found_in = s.first_in;
        }
        if (s.found != nullptr) {
            last = s.found;
            s.found->vcpu.set_on_cpu(true);
            run_turn(*s.found,
                     *s.found_in,
                     cpu::Tsc{machine::read_tsc() + machine::nanoseconds_to_tsc(turn_ns)});
            continue;
        }
        machine::arm_timer(s.deadline ? std::optional{s.deadline->raw()} : std::nullopt);
        machine::wait_for_interrupt();
    }
}

} // namespace ravelin::hv

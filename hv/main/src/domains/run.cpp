// SPDX-License-Identifier: Apache-2.0
// The CPU's loop and the end of domains.
#include "domains/run.hpp"

#include "account.hpp"
#include "dma.hpp"
#include "domains/domains.hpp"
#include "domains/platform.hpp"
#include "domains/storage.hpp"
#include "domains/vm.hpp"
#include "memory.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/power.hpp>
#include <hv/machine/processors.hpp>
#include <hv/machine/timer.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

constexpr u64 slice_ns = 10'000'000;
constexpr u64 period_ns = 100'000'000;
constexpr u64 grain_ns = 500'000;
constexpr u64 look_interval_ns = 10'000'000;

/// Its own CPU's, but for `revoked`, which any CPU sets before it interrupts.
struct PhysicalCpuState {
    HostCpu host;
    std::atomic<bool> revoked{false};
    VcpuStorage* running{};
};
constinit PhysicalCpuState cpus[machine::max_cpus];
/// CPUs that have done what join() allocates for; each adds itself, the boot CPU waits.
std::atomic<u32> settled{0};
// The innermost lock but for the console's.
constinit Locked<scheduler::Scheduler> plan;
/// Written under that lock: who yields looks whether that helps anybody.
std::atomic<bool> others_wait{false};

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
    machine::leave_environment(machine::End::halt);
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

/// Interrupts what the scheduler's last decisions concern. Their CPUs look at `revoked`, or wake.
void interrupt(scheduler::CpuSet set) {
    for (; set != 0; set &= set - 1) {
        const CpuId target{static_cast<u32>(__builtin_ctzll(set))};
        PhysicalCpuState& state = cpus[target.raw()];
        state.revoked.store(true);
        if (target != machine::this_processor().id)
            machine::kick(target);
        else if (state.running != nullptr)
            state.running->vcpu.request_attention();
    }
}

/// Carries out `body` on the scheduler under its lock, and then the interrupts that it wants.
template <typename F> auto schedule(F&& body) {
    scheduler::CpuSet set = 0;
    const auto result = plan.with([&](scheduler::Scheduler& scheduler) {
        const auto out = body(scheduler, machine::read_tsc());
        set = scheduler.take_interrupts();
        others_wait.store(scheduler.is_anybody_waiting(), std::memory_order_relaxed);
        return out;
    });
    interrupt(set);
    return result;
}

struct Choice {
    VcpuStorage* vcpu;
    u64 until;
};

Choice choose(CpuId cpu) {
    return schedule([cpu](scheduler::Scheduler& scheduler, u64 now) {
        const scheduler::Decision decision = scheduler.pick(cpu, now);
        if (decision.entity == nullptr)
            return Choice{nullptr, decision.until};
        VcpuStorage& vcpu = static_cast<VcpuStorage::Seat*>(decision.entity)->owner;
        ensure(vcpu.place.load(std::memory_order_relaxed) == VcpuStorage::nowhere,
               "a vCPU is given to two CPUs");
        vcpu.vcpu.account_for(domain::RunState::running, cpu::Tsc{now});
        vcpu.vcpu.set_on_cpu(true);
        vcpu.place.store(cpu.raw());
        return Choice{&vcpu, decision.until};
    });
}

void put_back(CpuId cpu, VcpuStorage& vcpu, domain::Leave why) {
    using scheduler::After;
    const bool sleeps = why == domain::Leave::blocked || why == domain::Leave::stopped;
    // Once it is nowhere another CPU may take the domain down, but not before we have let go.
    const domain::Reference hold =
        why == domain::Leave::stopped ? domain::Reference{vcpu.domain.domain} : domain::Reference{};
    schedule([&](scheduler::Scheduler& scheduler, u64 now) {
        const auto deadline = why == domain::Leave::blocked && !vcpu.vcpu.domain().is_paused()
                                  ? vcpu.vcpu.next_deadline()
                                  : std::nullopt;
        const After after = sleeps                          ? After::sleep
                            : why == domain::Leave::yielded ? After::others_first
                                                            : After::again;
        vcpu.vcpu.account_for(sleeps ? domain::RunState::blocked : domain::RunState::runnable,
                              cpu::Tsc{now});
        scheduler.put(cpu, now, after, deadline ? deadline->raw() : scheduler::never);
        vcpu.place.store(VcpuStorage::nowhere);
        vcpu.vcpu.set_on_cpu(false);
        // Who asked before it was nowhere has only interrupted us.
        if (sleeps && vcpu.vcpu.must_look() && vcpu.domain.domain.running()) {
            vcpu.vcpu.account_for(domain::RunState::runnable, cpu::Tsc{now});
            scheduler.wake(vcpu.entity, now);
        }
        return Unit{};
    });
    if (why == domain::Leave::stopped)
        on_stopped(vcpu.domain);
}

[[noreturn]] void run_cpu(CpuId cpu) {
    PhysicalCpuState& state = cpus[cpu.raw()];
    for (;;) {
        state.revoked.store(false);
        const Choice next = choose(cpu);
        if (next.vcpu == nullptr) {
            machine::arm_timer(next.until == scheduler::never ? std::nullopt
                                                              : std::optional{next.until});
            machine::wait_for_interrupt();
            continue;
        }
        state.running = next.vcpu;
        next.vcpu->cpu.set_host(state.host);
        const domain::Leave why =
            next.vcpu->loop.run({cpu::Tsc{next.until}, state.revoked, &others_wait});
        state.running = nullptr;
        put_back(cpu, *next.vcpu, why);
    }
}

/// Threads of one core have equal APIC identifiers above their number's bits. [SDM vol2 CPUID 0Bh]
/// [AMD APM vol3 CPUID 8000_001Eh]
scheduler::CpuSet siblings_of(CpuId cpu) {
    u32 shift = 0;
    if (machine::cpuid(0).eax >= 0xb && machine::cpuid(0xb).ebx != 0) {
        shift = machine::cpuid(0xb).eax & 31;
    } else if (machine::cpuid(0x8000'0000).eax >= 0x8000'001e) {
        const u32 threads = (machine::cpuid(0x8000'001e).ebx >> 8 & 0xff) + 1;
        while (1u << shift < threads)
            ++shift;
    }
    scheduler::CpuSet set = 0;
    const u32 core = machine::processor(cpu).apic_id.raw() >> shift;
    for (u32 i = 0; i < machine::processor_count(); ++i)
        if (machine::processor(CpuId{i}).apic_id.raw() >> shift == core)
            set |= scheduler::CpuSet{1} << i;
    return set;
}

/// The first thing another CPU does when domains begin to run.
void join(void*) {
    const CpuId self = machine::this_processor().id;
    if (const char* const why = enable_virtualisation_here(); why != nullptr) {
        log("CPU {} runs no guests: {}", self, why);
        settled.fetch_add(1, std::memory_order_release);
        for (;;)
            machine::wait_for_interrupt();
    }
    schedule([self](scheduler::Scheduler& scheduler, u64) {
        scheduler.add_cpu(self, siblings_of(self));
        return Unit{};
    });
    settled.fetch_add(1, std::memory_order_release);
    run_cpu(self);
}

} // namespace

void VcpuStorage::wake() {
    const u32 where = place.load();
    if (where == nowhere) {
        schedule([this](scheduler::Scheduler& scheduler, u64 now) {
            if (entity.is_blocked())
                vcpu.account_for(domain::RunState::runnable, cpu::Tsc{now});
            scheduler.wake(entity, now);
            return Unit{};
        });
    } else if (where != machine::this_processor().id.raw()) {
        machine::kick(CpuId{where});
    }
}

void Shootdown::invalidate() {
    for (VcpuStorage& vcpu : domain.vcpus) {
        vcpu.vcpu.request_flush();
        const u32 entry = vcpu.vcpu.entries();
        const u32 where = vcpu.place.load();
        // Odd: it may be using what it cached. It leaves without any lock, so this ends.
        if (entry % 2 == 0 || where == VcpuStorage::nowhere)
            continue;
        machine::kick(CpuId{where});
        while (vcpu.vcpu.entries() == entry)
            __builtin_ia32_pause();
    }
}

bool take_off_cpus(DomainStorage& storage) {
    const bool off = schedule([&storage](scheduler::Scheduler& scheduler, u64) {
        for (const VcpuStorage& vcpu : storage.vcpus)
            if (vcpu.entity.is_running())
                return false;
        for (VcpuStorage& vcpu : storage.vcpus)
            scheduler.remove(vcpu.entity);
        scheduler.remove(storage.group);
        return true;
    });
    if (off)
        on_stopped(storage);
    return off;
}

u64 ticks_used(const DomainStorage& storage) {
    return plan.with([&storage](scheduler::Scheduler&) {
        constexpr auto running = domain::RunState::running;
        const u64 now = machine::read_tsc();
        u64 ticks = 0;
        for (const VcpuStorage& vcpu : storage.vcpus) {
            const domain::RunAccount& account = vcpu.vcpu.account();
            ticks += account.ticks[static_cast<usize>(running)];
            if (account.state == running && now > account.since.raw())
                ticks += now - account.since.raw();
        }
        return ticks;
    });
}

bool set_share(DomainStorage& storage, const scheduler::Share& share) {
    return schedule([&storage, &share](scheduler::Scheduler& scheduler, u64 now) {
        return scheduler.set_share(storage.group, share, now);
    });
}

HostCpu& boot_cpu_host() {
    return cpus[0].host;
}

const char* enable_virtualisation_here() {
    static constinit FrameTables host_frames{mm::FrameType::cpu};
    return cpus[machine::this_processor().id.raw()].host.enable(host_frames);
}

void run_domains() {
    close_account();
    plan.with([](scheduler::Scheduler& scheduler) {
        scheduler.set_settings({machine::nanoseconds_to_tsc(slice_ns),
                                machine::nanoseconds_to_tsc(period_ns),
                                machine::nanoseconds_to_tsc(grain_ns)});
        scheduler.add_cpu(CpuId{0}, siblings_of(CpuId{0}));
    });
    machine::check_periodically(machine::nanoseconds_to_tsc(look_interval_ns), look_around);
    u32 called = 0;
    for (u32 i = 1; i < machine::processor_count(); ++i) {
        if (machine::processor(CpuId{i}).online) {
            machine::give_work(CpuId{i}, join, nullptr);
            ++called;
        }
    }
    // What the hypervisor takes for itself it has before a domain can count what is left.
    while (settled.load(std::memory_order_acquire) != called)
        __builtin_ia32_pause();
    for (const DomainId id : domain_ids())
        directory().find(id)->unpause();
    run_cpu(CpuId{0});
}

} // namespace ravelin::hv

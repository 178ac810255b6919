// SPDX-License-Identifier: Apache-2.0
// See the header. Nothing here decides whether the launch was DRTM: hv/tpm/launch does.
#include "measured.hpp"

#include "memory.hpp"
#include "tpm.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/power.hpp>
#include <hv/mm/direct_map.hpp>

#include <tboot/request.hpp>
#include <tboot/shutdown.hpp>

extern "C" const ravelin::u8 ravelin_image_start[];
extern "C" const ravelin::u8 ravelin_image_end[];
extern "C" const ravelin::u8 boot_pml4[];

namespace ravelin::hv {
namespace {

using machine::log;

constexpr u64 boot_map_limit = u64{1} << 32;

// Written by look_for_dynamic_launch() once; read only afterwards.
tboot::Request request;
tboot::Launch launch;
std::optional<tpm::Text> problem;

class BootMappedMemory final : public tboot::PhysicalMemory {
  public:
    std::optional<std::span<const u8>> view(HostPhysical at, usize size) override {
        if (at.raw() >= boot_map_limit || size > boot_map_limit - at.raw())
            return std::nullopt;
        // SAFETY: the boot page tables map the first 4 GiB; keep_dynamic_launch_reachable() keeps
        // what is used later.
        return std::span<const u8>{mm::direct_map_pointer<const u8>(at), size};
    }
};

class PublicRegisters final : public tboot::Registers {
  public:
    u64 read(u32 offset) override {
        // SAFETY: chipset registers below 4 GiB, uncached by the firmware's MTRRs; reads have no
        // side effect.
        return *mm::direct_map_pointer<const volatile u64>(tboot::public_space + offset);
    }
};

tboot::MemoryRange image() {
    // SAFETY: linker symbols are addresses, never read.
    const u64 start = reinterpret_cast<u64>(ravelin_image_start);
    return {HostPhysical{start}, Bytes{reinterpret_cast<u64>(ravelin_image_end) - start}};
}

std::optional<tpm::Text> examine(const boot::BootInfo& info) {
    if (request.problem)
        return tpm::Text{*request.problem};
    if (!request.shared_page)
        return tpm::Text{"tboot handed nothing over (no tboot= on the command line)"};
    PublicRegisters registers;
    BootMappedMemory memory;
    const auto examined = tboot::examine(*request.shared_page, registers, memory, launch);
    if (!examined) {
        tpm::Text text{examined.error().what};
        if (!examined.error().detail.empty())
            text << ": " << examined.error().detail;
        return text;
    }
    const tboot::UsableMemory usable = launch.usable_memory();
    if (!usable.covers(image()))
        return tpm::Text{"Ravelin lies in memory that SINIT does not call good"};
    for (const boot::Module& module : info.modules)
        if (!usable.covers({module.start, module.size}))
            return tpm::Text{"a module lies in memory that SINIT does not call good: "}
                   << module.name();
    return std::nullopt;
}

/// RAM is what both the loader's map and SINIT's descriptors call so, without what TXT keeps.
bool restrict_memory(boot::BootInfo& info) {
    static FixedVector<boot::MemoryRange, 256> map; // larger than a stack frame should be
    bool fits = true;
    for (const boot::MemoryRange& range : info.memory_map) {
        if (range.kind != boot::MemoryKind::ram || range.size.raw() == 0) {
            fits = map.push_back(range) && fits;
            continue;
        }
        launch.usable_memory().split(
            {range.start, range.size}, [&fits](const tboot::MemoryRange& piece, bool usable) {
                fits =
                    map.push_back({piece.start,
                                   piece.size,
                                   usable ? boot::MemoryKind::ram : boot::MemoryKind::reserved}) &&
                    fits;
            });
    }
    if (fits)
        info.memory_map = map;
    return fits;
}

tboot::SharedPage shared_page() {
    // SAFETY: keep_dynamic_launch_reachable() mapped the page, writable and write-back.
    return tboot::SharedPage{std::span<u8, wire::tboot::Shared::size>{
        mm::direct_map_pointer<u8>(launch.shared_page), wire::tboot::Shared::size}};
}

void wake(ApicId processor, HostPhysical page) {
    shared_page().wake(processor, page);
}

wire::tboot::ShutdownType shutdown_type(machine::End end) {
    switch (end) {
    case machine::End::power_off:
        return wire::tboot::ShutdownType::soft_off;
    case machine::End::reset:
        return wire::tboot::ShutdownType::reboot;
    case machine::End::halt:
        break;
    }
    return wire::tboot::ShutdownType::halt;
}

/// The boot CPU alone, interrupts off: caps the registers and calls tboot, which does
/// GETSEC[SEXIT] and ends the machine.
void leave(machine::End end) {
    leave_tpm();
    const auto sleep = machine::soft_off_request();
    shared_page().request_end(
        shutdown_type(end), {sleep.pm1a_port, sleep.pm1a_value, sleep.pm1b_port, sleep.pm1b_value});
    log("leaving the measured environment through tboot");
    // SAFETY: the boot tables map the first 4 GiB onto themselves, this code and tboot among them;
    // nothing of ours, not even the stack, is used afterwards. tboot's entry takes 64-bit mode,
    // turns paging off and brings its own stack.
    asm volatile("mov %0, %%cr3\n\tjmp *%1" ::"r"(boot_pml4),
                 "r"(launch.shared.shutdown_entry.raw())
                 : "memory");
    __builtin_unreachable();
}

} // namespace

void look_for_dynamic_launch(boot::BootInfo& info) {
    request = tboot::parse_request(info.command_line.view());
    if (!request.wants_dynamic())
        return;
    problem = examine(info);
    if (!problem && !restrict_memory(info))
        problem = tpm::Text{"more ranges of memory than anything here has room for"};
    if (problem)
        return;
    log("tboot: page at {x}, {} KiB of log by SINIT and tboot, {} ranges of memory, {} waiting "
        "processors{}",
        launch.shared_page,
        launch.event_log.size() >> 10,
        launch.heap.sinit_mle.memory.size(),
        launch.shared.waiting_processors,
        launch.shared.wakes_by_mwait ? ", woken by MWAIT" : "");
}

const tboot::Launch* dynamic_launch() {
    return request.wants_dynamic() && !problem ? &launch : nullptr;
}

tpm::DynamicLaunch dynamic_facts() {
    tpm::DynamicLaunch facts{.wanted = request.wants_dynamic(), .problem = problem, .log = {}};
    if (dynamic_launch() != nullptr)
        facts.log = launch.event_log;
    return facts;
}

bool stops_without_dynamic_launch() {
    return request.asked == tboot::Asked::drtm_or_stop;
}

bool keep_dynamic_launch_reachable() {
    if (dynamic_launch() == nullptr)
        return true;
    const auto& log = *launch.heap.os_sinit.event_log;
    return map_firmware(launch.heap_range.start, launch.heap_range.size).is_ok() &&
           map_firmware(log.start, Bytes{log.capacity}).is_ok() &&
           map_shared(launch.shared_page, Bytes{wire::tboot::Shared::size}).is_ok();
}

machine::Wake wake_through_tboot() {
    return dynamic_launch() != nullptr && launch.shared.wakes_by_mwait ? wake : nullptr;
}

void end_through_tboot() {
    if (dynamic_launch() != nullptr)
        machine::set_leave(leave);
}

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// Start-up, in order: what was booted, memory, interrupts, time, then (as they are built) ACPI,
// VT-d, TPM and the measurement, the other CPUs, the domains. What cannot be done is refused in
// words, and nothing goes on as if it had been.
#include "account.hpp"
#include "dma.hpp"
#include "domains/domains.hpp"
#include "domains/run.hpp"
#include "firmware_tables.hpp"
#include "measured.hpp"
#include "memory.hpp"
#include "processors.hpp"
#include "refuse.hpp"
#include "tpm.hpp"

#include <hv/boot/decode.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/panic.hpp>
#include <hv/machine/power.hpp>
#include <hv/machine/timer.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

// Written by the boot CPU during start-up only.
boot::BootInfo boot_info;

std::string_view loader_name(boot::Loader loader) {
    switch (loader) {
    case boot::Loader::multiboot1:
        return "multiboot1";
    case boot::Loader::multiboot2_bios:
        return "multiboot2, BIOS";
    case boot::Loader::multiboot2_efi:
        return "multiboot2, UEFI";
    }
    return "unknown";
}

void report_boot_info() {
    log("started by {}, command line \"{}\"",
        loader_name(boot_info.loader),
        boot_info.command_line.view());
    for (const boot::Module& module : boot_info.modules)
        log("module {}: {} bytes at {x}", module.name(), module.size, module.start);
    if (boot_info.firmware_log)
        log("firmware event log: {} bytes{}",
            boot_info.firmware_log->size,
            boot_info.firmware_log->truncated ? ", truncated by the firmware" : "");
}

void report_memory() {
    const mm::FrameCounts counts = frames().counts();
    log("memory: {} MiB, {} MiB free, {} KiB the hypervisor's own",
        counts.total * page_size >> 20,
        counts.free * page_size >> 20,
        own_memory(counts) >> 10);
}

/// The second half of start-up, on the boot CPU's own stack. The order is the order of trust: DMA
/// is fenced before anything is measured, everything is measured before a domain runs.
[[noreturn]] void start_machine() {
    machine::calibrate_timer();
    const auto tables = find_firmware_tables(boot_info);
    if (!tables)
        refuse("ACPI", text(tables.error()));
    start_tpm(boot_info);
    end_through_tboot();
    if (stops_without_dynamic_launch() && tpm_service().verdict().launch() != wire::Launch::drtm)
        refuse("launch", tpm_service().verdict().reason());
    const wire::DmaState dma =
        start_dma_protection() ? wire::DmaState::is_protected : wire::DmaState::is_unprotected;
    start_other_processors(boot_info, firmware_tables().madt);
    report_memory();
    const auto manifest = measure_launch(boot_info);
    if (!manifest)
        refuse("launch", manifest.error().view());
    if (const auto enabled = enable_virtualisation(); !enabled)
        refuse(enabled.error().what, enabled.error().why);
    if (const auto built = build_domains(boot_info, manifest.value(), dma); !built)
        refuse(built.error().what, built.error().why);
    run_domains();
}

[[noreturn]] void start(u32 magic, HostPhysical information) {
    open_account();
    machine::open_console();
    machine::install_panic();
    log("Ravelin " RAVELIN_VERSION);
    const auto decoded = boot::decode(magic, information, boot_info);
    if (!decoded)
        refuse("boot information", text(decoded.error()));
    report_boot_info();
    look_for_dynamic_launch(boot_info);
    const auto memory = set_up_memory(boot_info);
    if (!memory)
        refuse("memory", text(memory.error()));
    if (!keep_dynamic_launch_reachable())
        refuse("memory", "what tboot left could not be mapped");
    set_up_boot_processor(start_machine);
}

} // namespace

void refuse(std::string_view what, std::string_view why) {
    log("REFUSED: {}: {}", what, why);
    log("no domain was started");
    machine::leave_environment(machine::End::halt);
    machine::halt_for_ever();
}

} // namespace ravelin::hv

extern "C" [[noreturn]] void ravelin_start(ravelin::u64 magic, ravelin::u64 information) {
    ravelin::hv::start(static_cast<ravelin::u32>(magic), ravelin::HostPhysical{information});
}

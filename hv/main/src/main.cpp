// SPDX-License-Identifier: Apache-2.0
// Start-up, in order: what was booted, memory, interrupts, time, then (as they are built) ACPI,
// VT-d, TPM and the measurement, the other CPUs, the domains. What cannot be done is refused in
// words, and nothing goes on as if it had been.
#include "memory.hpp"
#include "tpm.hpp"

#include <hv/boot/decode.hpp>
#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/interrupts.hpp>
#include <hv/machine/local_apic.hpp>
#include <hv/machine/panic.hpp>
#include <hv/machine/processor.hpp>
#include <hv/machine/timer.hpp>

namespace ravelin::hv {
namespace {

using machine::log;

// Written by the boot CPU during start-up only.
boot::BootInfo boot_info;
machine::Processor boot_processor;

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

/// Nothing runs after this but interrupts of nobody: the operator reads why, and resets.
[[noreturn]] void refuse(std::string_view what, std::string_view why) {
    log("REFUSED: {}: {}", what, why);
    log("no domain was started");
    machine::halt_for_ever();
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

void set_up_boot_processor() {
    const auto stack = [] {
        auto made = make_stack();
        if (!made)
            refuse("stacks", text(made.error()));
        return made.value();
    };
    for (usize i = 0; i < machine::interrupt_stack_count; ++i)
        boot_processor.task_state.ist[i] = stack().raw();
    boot_processor.stack_top = stack();
    machine::load_processor(boot_processor);
    machine::prepare_interrupt_table();
    machine::load_interrupt_table();
    machine::enable_local_apic();
    boot_processor.apic_id = machine::local_apic_id();
    boot_processor.online = true;
}

[[noreturn]] void start(u32 magic, HostPhysical information) {
    machine::open_console();
    machine::install_panic();
    log("Ravelin " RAVELIN_VERSION);
    const auto decoded = boot::decode(magic, information, boot_info);
    if (!decoded)
        refuse("boot information", text(decoded.error()));
    report_boot_info();
    const auto memory = set_up_memory(boot_info);
    if (!memory)
        refuse("memory", text(memory.error()));
    set_up_boot_processor();
    machine::calibrate_timer();
    start_tpm(boot_info);
    const mm::FrameCounts counts = frames().counts();
    log("memory: {} MiB, {} MiB free, {} KiB the hypervisor's own",
        counts.total * page_size >> 20,
        counts.free * page_size >> 20,
        own_memory() >> 10);
    refuse("domains", "this build has none");
}

} // namespace
} // namespace ravelin::hv

extern "C" [[noreturn]] void ravelin_start(ravelin::u64 magic, ravelin::u64 information) {
    ravelin::hv::start(static_cast<ravelin::u32>(magic), ravelin::HostPhysical{information});
}

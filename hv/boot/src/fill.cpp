// SPDX-License-Identifier: Apache-2.0
// The pure part of decoding: bounded copies out of the loader's memory.
#include "hv/boot/decode.hpp"

namespace ravelin::hv::boot {
namespace {

MemoryKind kind_of(u32 type) { // [ACPI 6.4 15.1]
    switch (type) {
    case 1:
        return MemoryKind::ram;
    case 3:
        return MemoryKind::acpi_reclaimable;
    case 4:
        return MemoryKind::acpi_nvs;
    case 5:
        return MemoryKind::bad;
    default:
        return MemoryKind::reserved;
    }
}

} // namespace

std::string_view text(const DecodeFailure& failure) {
    switch (failure.error) {
    case DecodeError::unknown_loader:
        return "not started by a multiboot loader";
    case DecodeError::multiboot:
        return wire::text(failure.multiboot_error);
    case DecodeError::text_too_long:
        return "a command line is longer than 2048 characters, or a module's than 256";
    case DecodeError::firmware_did_not_end:
        return "EFI boot services could not be ended";
    case DecodeError::no_memory_map:
        return "the loader gave no memory map";
    }
    return "unknown";
}

Status<DecodeFailure> fill(const wire::MultibootInfo& info, BootInfo& out) {
    if (!out.command_line.assign(info.command_line))
        return Failure{DecodeFailure{DecodeError::text_too_long}};
    for (const wire::MultibootModule& module : info.modules) {
        Module copy{module.start, module.size, {}};
        if (!copy.command_line.assign(module.command_line))
            return Failure{DecodeFailure{DecodeError::text_too_long}};
        ensure(out.modules.push_back(copy), "both lists have the same bound");
    }
    for (const wire::MultibootRange& range : info.memory)
        ensure(out.memory_map.push_back({range.start, range.size, kind_of(range.type)}),
               "both lists have the same bound");
    out.efi_system_table = info.efi_system_table;
    return Unit{};
}

} // namespace ravelin::hv::boot

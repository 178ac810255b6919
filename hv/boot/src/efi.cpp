// SPDX-License-Identifier: Apache-2.0
// The last minutes of the firmware: take its event log, take its memory map, end boot services.
// Runs on the firmware's page tables with its interrupts on, so it touches only this image, and
// memory the firmware gave it. It trusts the firmware, as everything after a static root of trust
// must: what it does is in PCR 0-7.
#include "efi.hpp"

#include "efi_types.hpp"
#include "event_size.hpp"

#include <wire/multiboot.hpp>

#include <algorithm>

namespace ravelin::hv::boot {
namespace {

EfiHandover handover;
wire::MultibootInfo info; // static: larger than a stack frame should be

constexpr u64 final_events_room = 64 * 1024;
constexpr u64 log_limit = 4 * 1024 * 1024;
constexpr u32 allocate_below = 1; // AllocateMaxAddress
constexpr u64 below_4g = 0xffffffff;

template <typename T> T* at(u64 address) {
    // SAFETY: addresses the firmware gave, on its identity-mapped tables.
    return reinterpret_cast<T*>(address);
}

efi::FinalEvents* find_final_events(const efi::SystemTable& system) {
    for (u64 i = 0; i < system.table_count; ++i) {
        if (system.tables[i].guid == efi::tcg2_final_events)
            return static_cast<efi::FinalEvents*>(system.tables[i].table);
    }
    return nullptr;
}

struct TakenLog {
    u8* buffer{};
    usize capacity{};
    usize used{};
    u64 final_events_known{}; ///< final events that the copied log holds already
};

/// Copies the log as it is now, leaving room for what ExitBootServices will add.
FirmwareLogState take_log(const efi::SystemTable& system, TakenLog& out, bool& truncated) {
    efi::Tcg2* tcg2 = nullptr;
    void* interface = nullptr;
    if (system.boot_services->locate_protocol(&efi::tcg2_protocol, nullptr, &interface) !=
        efi::success)
        return FirmwareLogState::no_tcg2;
    tcg2 = static_cast<efi::Tcg2*>(interface);
    u64 first = 0;
    u64 last = 0;
    u8 was_truncated = 0;
    if (tcg2->get_event_log(
            tcg2, efi::event_log_format_crypto_agile, &first, &last, &was_truncated) !=
            efi::success ||
        first == 0 || last < first || last - first > log_limit)
        return FirmwareLogState::refused;
    truncated = was_truncated != 0;
    if (const auto* final_events = find_final_events(system))
        out.final_events_known = final_events->count;

    // The log ends with the event that `last` names; the bound only keeps a malformed size from
    // running away.
    const std::span<const u8> log{at<const u8>(first),
                                  static_cast<usize>(last - first) + final_events_room};
    const auto size = log_size(log, static_cast<usize>(last - first));
    if (!size)
        return FirmwareLogState::malformed;

    u64 address = below_4g;
    const u64 pages = (size.value() + final_events_room + page_size - 1) / page_size;
    if (system.boot_services->allocate_pages(
            allocate_below, static_cast<u32>(efi::MemoryType::loader_data), pages, &address) !=
        efi::success)
        return FirmwareLogState::no_memory;
    out.buffer = at<u8>(address);
    out.capacity = pages * page_size;
    out.used = size.value();
    std::copy_n(log.begin(), out.used, out.buffer);
    return FirmwareLogState::taken;
}

/// Appends the events that came after take_log(), ExitBootServices's among them.
FirmwareLogState append_final_events(const efi::FinalEvents* final_events, TakenLog& log) {
    if (final_events == nullptr)
        return FirmwareLogState::taken;
    const std::span<const u8> header{log.buffer, log.used};
    std::span<const u8> rest{final_events->events, final_events_room};
    for (u64 i = 0; i < final_events->count; ++i) {
        const auto size = event_size(header, rest);
        if (!size)
            return FirmwareLogState::malformed;
        if (i >= log.final_events_known) {
            if (size.value() > log.capacity - log.used)
                return FirmwareLogState::no_memory;
            std::copy_n(rest.begin(), size.value(), log.buffer + log.used);
            log.used += size.value();
        }
        rest = rest.subspan(size.value());
    }
    return FirmwareLogState::taken;
}

MemoryKind kind_of(u32 type) {
    switch (static_cast<efi::MemoryType>(type)) {
    case efi::MemoryType::loader_code:
    case efi::MemoryType::loader_data:
    case efi::MemoryType::boot_services_code:
    case efi::MemoryType::boot_services_data:
    case efi::MemoryType::conventional:
        return MemoryKind::ram;
    case efi::MemoryType::acpi_reclaim:
        return MemoryKind::acpi_reclaimable;
    case efi::MemoryType::acpi_nvs:
        return MemoryKind::acpi_nvs;
    case efi::MemoryType::unusable:
        return MemoryKind::bad;
    }
    return MemoryKind::reserved;
}

/// Adds a range, growing the one before where they touch: firmware maps have hundreds of entries.
bool add_range(const efi::MemoryDescriptor& descriptor) {
    const MemoryRange range{HostPhysical{descriptor.physical_start},
                            Bytes{descriptor.pages * page_size},
                            kind_of(descriptor.type)};
    auto& map = handover.memory_map;
    if (!map.empty()) {
        MemoryRange& before = map[map.size() - 1];
        if (before.kind == range.kind && before.start + before.size.raw() == range.start) {
            before.size = Bytes{before.size.raw() + range.size.raw()};
            return true;
        }
    }
    return map.push_back(range);
}

/// Gets the memory map and ends boot services with its key; the map changes under us at most a few
/// times.
bool exit_boot_services(const efi::SystemTable& system, void* image) {
    constexpr u64 map_pages = 16;
    u64 map_address = below_4g;
    if (system.boot_services->allocate_pages(allocate_below,
                                             static_cast<u32>(efi::MemoryType::loader_data),
                                             map_pages,
                                             &map_address) != efi::success)
        return false;
    for (int attempt = 0; attempt < 8; ++attempt) {
        u64 size = map_pages * page_size;
        u64 key = 0;
        u64 descriptor_size = 0;
        u32 version = 0;
        if (system.boot_services->get_memory_map(
                &size, at<void>(map_address), &key, &descriptor_size, &version) != efi::success ||
            descriptor_size < sizeof(efi::MemoryDescriptor))
            return false;
        if (system.boot_services->exit_boot_services(image, key) != efi::success)
            continue;
        for (u64 offset = 0; offset + descriptor_size <= size; offset += descriptor_size) {
            if (!add_range(*at<const efi::MemoryDescriptor>(map_address + offset)))
                return false;
        }
        return true;
    }
    return false;
}

} // namespace

const EfiHandover& efi_handover() {
    return handover;
}

} // namespace ravelin::hv::boot

/// Called from the EFI64 entry. Without a system table or when boot services do not end,
/// left_firmware stays false and decode() refuses to go on.
extern "C" void ravelin_efi_leave_firmware(ravelin::u64 information) {
    using namespace ravelin;
    using namespace ravelin::hv::boot;
    const u32 total = *at<const u32>(information);
    if (!wire::decode_multiboot2({at<const u8>(information), total}, info) ||
        !info.efi_system_table || !info.efi_image_handle || !info.efi_boot_services)
        return;
    const auto& system = *at<const efi::SystemTable>(info.efi_system_table->raw());
    TakenLog log{};
    handover.log_state = take_log(system, log, handover.log.truncated);
    const efi::FinalEvents* final_events = find_final_events(system);
    handover.left_firmware = exit_boot_services(system, at<void>(*info.efi_image_handle));
    if (!handover.left_firmware || handover.log_state != FirmwareLogState::taken)
        return;
    handover.log_state = append_final_events(final_events, log);
    // SAFETY: the buffer is identity-mapped here and its frames stay ours.
    handover.log.start = HostPhysical{reinterpret_cast<u64>(log.buffer)};
    handover.log.size = Bytes{log.used};
}

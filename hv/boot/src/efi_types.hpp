// SPDX-License-Identifier: Apache-2.0
// The few UEFI structures used before boot services end, in the specification's layout.
// [UEFI 2.10 4.3, 4.4, 7.2] [TCG EFI Protocol 1.00 6, 7]
#pragma once

#include <base/types.hpp>

namespace ravelin::hv::boot::efi {

using Status = u64;
constexpr Status success = 0;
constexpr Status buffer_too_small = u64{1} << 63 | 5;
#define RAVELIN_EFI_CALL __attribute__((ms_abi))

struct Guid {
    u32 a;
    u16 b;
    u16 c;
    u8 d[8];
    friend constexpr bool operator==(const Guid&, const Guid&) = default;
};
constexpr Guid tcg2_protocol{
    0x607f766c, 0x7455, 0x42be, {0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f}};
constexpr Guid tcg2_final_events{
    0x1e2ed096, 0x30e2, 0x4254, {0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25}};

struct MemoryDescriptor { // [UEFI 2.10 7.2.3]
    u32 type;
    u32 padding;
    u64 physical_start;
    u64 virtual_start;
    u64 pages;
    u64 attribute;
};
enum class MemoryType : u32 {
    loader_code = 1,
    loader_data = 2,
    boot_services_code = 3,
    boot_services_data = 4,
    conventional = 7,
    unusable = 8,
    acpi_reclaim = 9,
    acpi_nvs = 10,
};

struct BootServices { // [UEFI 2.10 4.4]
    u8 header[24];
    void* before_allocate_pages[2];
    Status(RAVELIN_EFI_CALL* allocate_pages)(u32 how, u32 type, u64 pages, u64* address);
    void* free_pages;
    Status(RAVELIN_EFI_CALL* get_memory_map)(
        u64* size, void* map, u64* key, u64* descriptor_size, u32* version);
    void* before_exit[21];
    Status(RAVELIN_EFI_CALL* exit_boot_services)(void* image, u64 key);
    void* before_locate_protocol[10];
    Status(RAVELIN_EFI_CALL* locate_protocol)(const Guid* protocol,
                                              void* registration,
                                              void** interface);
};
static_assert(offsetof(BootServices, allocate_pages) == 40);
static_assert(offsetof(BootServices, get_memory_map) == 56);
static_assert(offsetof(BootServices, exit_boot_services) == 232);
static_assert(offsetof(BootServices, locate_protocol) == 320);

struct ConfigurationTable {
    Guid guid;
    void* table;
};
struct SystemTable { // [UEFI 2.10 4.3]
    u8 header[24];
    void* before_boot_services[9];
    BootServices* boot_services;
    u64 table_count;
    ConfigurationTable* tables;
};
static_assert(offsetof(SystemTable, boot_services) == 96);
static_assert(offsetof(SystemTable, tables) == 112);

struct Tcg2 { // [TCG EFI Protocol 6]
    void* get_capability;
    Status(RAVELIN_EFI_CALL* get_event_log)(
        Tcg2* self, u32 format, u64* first, u64* last, u8* truncated);
};
constexpr u32 event_log_format_crypto_agile = 2;

/// The events logged after the first GetEventLog, ExitBootServices's own among them. [TCG EFI
/// Protocol 7]
struct FinalEvents {
    u64 version;
    u64 count;
    u8 events[];
};

} // namespace ravelin::hv::boot::efi

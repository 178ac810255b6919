// SPDX-License-Identifier: Apache-2.0
// From the loader's map to an allocator that knows every frame, and to page tables without a
// writable byte of code.
#include "memory.hpp"

#include "account.hpp"

#include <hv/machine/console.hpp>
#include <hv/machine/instructions.hpp>
#include <hv/machine/local_apic.hpp>
#include <hv/machine/symbols.hpp>
#include <hv/mm/direct_map.hpp>
#include <hv/mm/host_tables.hpp>

#include <algorithm>

extern "C" const ravelin::u8 ravelin_image_start[];
extern "C" const ravelin::u8 ravelin_text_start[];
extern "C" const ravelin::u8 ravelin_text_end[];
extern "C" const ravelin::u8 ravelin_constants_start[];
extern "C" const ravelin::u8 ravelin_constants_end[];
extern "C" const ravelin::u8 ravelin_data_start[];
extern "C" const ravelin::u8 ravelin_image_end[];

namespace ravelin::hv {
namespace {

constexpr u64 least_memory = 64 * 1024 * 1024;
constexpr u64 boot_map_limit = u64{1} << 32;
constexpr u64 one_gib = u64{1} << 30;
constexpr u64 low_memory = 0x100000;         // left to the firmware and to the CPUs' start-up page
constexpr u64 physical_limit = u64{1} << 46; // far below the stacks in the direct map
constexpr u64 stack_area = 0xffff'f000'0000'0000; // stacks, each below an unmapped page
constexpr u64 stack_size = 4 * page_size;

u64 value(const u8* symbol) {
    // SAFETY: linker symbols are addresses, never read.
    return reinterpret_cast<u64>(symbol);
}

class DirectMapScrubber final : public mm::Scrubber {
  public:
    void scrub(HostFrame first, u64 count) override {
        const ExpenseTimer timer{Expense::scrubbing};
        const mm::Mapping<u8> bytes{first.address(), count * page_size};
        std::fill(bytes.span().begin(), bytes.span().end(), u8{0});
    }
};

// Written on the boot CPU during start-up only, but for the allocator, which has its own lock.
constinit mm::FrameAllocator allocator;
DirectMapScrubber scrubber;
constinit FrameTables page_table_frames{mm::FrameType::page_table};
constinit mm::HostTables host_tables{page_table_frames};
u64 next_stack = stack_area;

u64 end_of_ram(const boot::BootInfo& info) {
    u64 end = 0;
    for (const auto& range : info.memory_map) {
        if (range.kind == boot::MemoryKind::ram)
            end = std::max(end, range.start.raw() + range.size.raw());
    }
    return end;
}

bool touches(u64 start, u64 size, u64 other_start, u64 other_size) {
    return start < other_start + other_size && other_start < start + size;
}

bool is_taken(const boot::BootInfo& info, u64 start, u64 size) {
    if (touches(start,
                size,
                value(ravelin_image_start),
                value(ravelin_image_end) - value(ravelin_image_start)))
        return true;
    if (info.firmware_log &&
        touches(start, size, info.firmware_log->start.raw(), info.firmware_log->size.raw()))
        return true;
    return std::any_of(
        info.modules.begin(), info.modules.end(), [start, size](const boot::Module& m) {
            return touches(start, size, m.start.raw(), m.size.raw());
        });
}

/// Room for the frame table: RAM below 4 GiB that nothing lies in, which the boot page tables
/// reach.
u64 find_room(const boot::BootInfo& info, u64 size) {
    for (const auto& range : info.memory_map) {
        if (range.kind != boot::MemoryKind::ram)
            continue;
        u64 at = std::max(range.start.align_up(page_size).raw(), low_memory);
        const u64 end = std::min(range.start.raw() + range.size.raw(), boot_map_limit);
        for (; at + size <= end; at += page_size) {
            if (!is_taken(info, at, size))
                return at;
        }
    }
    return 0;
}

void reserve(HostPhysical start, u64 size, mm::FrameType type) {
    const HostFrame first = HostFrame::of(start);
    const HostFrame end = HostFrame::of((start + size).align_up(page_size));
    allocator.reserve(first, end - first, type);
}

Status<MemorySetupError> account_for_frames(const boot::BootInfo& info) {
    const u64 frame_count = end_of_ram(info) >> page_shift;
    if (frame_count << page_shift < least_memory)
        return Failure{MemorySetupError::too_little};
    const u64 table_size =
        HostPhysical{frame_count * sizeof(mm::FrameInfo)}.align_up(page_size).raw();
    const u64 table = find_room(info, table_size);
    if (table == 0)
        return Failure{MemorySetupError::too_little};
    // SAFETY: find_room() gave free RAM of that size below 4 GiB.
    allocator.initialise({mm::direct_map_pointer<mm::FrameInfo>(HostPhysical{table}), frame_count},
                         scrubber);
    for (const auto& range : info.memory_map) {
        const HostFrame first = HostFrame::of(range.start.align_up(page_size));
        const HostFrame end = HostFrame::of(range.start + range.size.raw());
        if (range.kind == boot::MemoryKind::ram && end.raw() > first.raw())
            allocator.add_ram(first, end - first);
    }
    reserve(HostPhysical{0}, low_memory, mm::FrameType::reserved);
    reserve(HostPhysical{table}, table_size, mm::FrameType::hypervisor);
    reserve(HostPhysical{value(ravelin_image_start)},
            value(ravelin_image_end) - value(ravelin_image_start),
            mm::FrameType::hypervisor);
    if (info.firmware_log)
        reserve(info.firmware_log->start, info.firmware_log->size.raw(), mm::FrameType::hypervisor);
    for (const boot::Module& module : info.modules) {
        if (module.start.raw() + module.size.raw() > frame_count << page_shift)
            return Failure{MemorySetupError::module_outside};
        reserve(module.start, module.size.raw(), mm::FrameType::module);
    }
    return Unit{};
}

bool map_image(u64 start, u64 end, mm::Protection protection) {
    const u64 size = HostVirtual{end}.align_up(page_size) - HostVirtual{start};
    return host_tables
        .map(
            HostVirtual{start}, HostPhysical{start}, Bytes{size}, protection, mm::Cache::write_back)
        .is_ok();
}

/// RAM at the direct map, in whole 2 MiB pages where the firmware's map allows.
bool map_ram(const boot::BootInfo& info) {
    // Neighbouring ranges of RAM-like kinds are joined first, so that a boundary in the map is no
    // boundary in the tables.
    u64 start = 0;
    u64 end = 0;
    const auto map_piece = [](u64 from, u64 to) {
        return from >= to || host_tables
                                 .map(mm::direct_map_address(HostPhysical{from}),
                                      HostPhysical{from},
                                      Bytes{to - from},
                                      mm::Protection::read_write,
                                      mm::Cache::write_back,
                                      one_gib)
                                 .is_ok();
    };
    // Code and constants have no second, writable address.
    const u64 sealed_start = value(ravelin_text_start);
    const u64 sealed_end = HostPhysical{value(ravelin_constants_end)}.align_up(page_size).raw();
    const auto flush = [&start, &end, map_piece, sealed_start, sealed_end] {
        const u64 to = HostPhysical{end}.align_up(page_size).raw();
        return map_piece(start, std::min(to, sealed_start)) &&
               map_piece(std::max(start, sealed_end), to);
    };
    static FixedVector<boot::MemoryRange, 256> map; // larger than a stack frame should be
    map = info.memory_map;
    std::sort(
        map.begin(), map.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
    for (const auto& range : map) {
        const bool memory = range.kind == boot::MemoryKind::ram ||
                            range.kind == boot::MemoryKind::acpi_reclaimable ||
                            range.kind == boot::MemoryKind::acpi_nvs ||
                            range.start.raw() < low_memory;
        if (!memory || range.size.raw() == 0)
            continue;
        const u64 range_start = range.start.align_down(page_size).raw();
        const u64 range_end = (range.start + range.size.raw()).align_up(page_size).raw();
        if (range_start <= end) {
            end = std::max(end, range_end);
            continue;
        }
        if (!flush())
            return false;
        start = range_start;
        end = range_end;
    }
    return flush();
}

/// Maps pages that the direct map leaves out. What is mapped already stays as it is, but RAM is
/// never a device.
Status<MemorySetupError>
map_pages(HostPhysical start, Bytes size, mm::Protection protection, mm::Cache cache) {
    if (start.raw() >= physical_limit || size.raw() > physical_limit - start.raw())
        return Failure{MemorySetupError::tables};
    const HostPhysical first = start.align_down(page_size);
    const u64 bytes = (start + size.raw()).align_up(page_size) - first;
    for (u64 done = 0; done < bytes; done += page_size) {
        mm::HostTables::Translation there{};
        const HostVirtual at = mm::direct_map_address(first + done);
        if (host_tables.translate(at, there)) {
            if (cache == mm::Cache::uncached && there.cache != cache)
                return Failure{MemorySetupError::tables};
            continue;
        }
        if (!host_tables.map(at, first + done, Bytes{page_size}, protection, cache))
            return Failure{MemorySetupError::tables};
    }
    return Unit{};
}

} // namespace

std::string_view text(MemorySetupError error) {
    switch (error) {
    case MemorySetupError::too_little:
        return "less memory than 64 MiB, or no room for the frame table";
    case MemorySetupError::tables:
        return "the page tables could not be built";
    case MemorySetupError::module_outside:
        return "a boot module lies outside memory";
    }
    return "unknown";
}

Result<HostFrame, TableMemoryError> FrameTables::allocate() {
    const auto frame = allocator.allocate(mm::FrameOrder::size_4k, type_, mm::hypervisor_owner);
    if (!frame)
        return Failure{TableMemoryError::out_of_frames};
    return frame.value();
}
void FrameTables::release(HostFrame frame) {
    ensure(allocator.release(frame, 1, mm::hypervisor_owner).is_ok(),
           "a table frame that was not ours");
}
TablePage FrameTables::page(HostFrame frame) {
    return TablePage{mm::direct_map_pointer<u64>(frame.address()), 512};
}

u64* FrameTables::linear() {
    return mm::direct_map_pointer<u64>(HostPhysical{0});
}

mm::FrameAllocator& frames() {
    return allocator;
}

Status<MemorySetupError> set_up_memory(const boot::BootInfo& info) {
    (void)RAVELIN_TRY(account_for_frames(info));
    const bool built =
        host_tables.initialise().is_ok() &&
        map_image(
            value(ravelin_text_start), value(ravelin_text_end), mm::Protection::read_execute) &&
        map_image(value(ravelin_constants_start),
                  value(ravelin_constants_end),
                  mm::Protection::read_only) &&
        map_image(
            value(ravelin_data_start), value(ravelin_image_end), mm::Protection::read_write) &&
        map_ram(info);
    if (!built)
        return Failure{MemorySetupError::tables};
    (void)RAVELIN_TRY(map_device(machine::local_apic_base, Bytes{page_size}));
    machine::write_cr3(host_tables.root());
    return Unit{};
}

Status<MemorySetupError> map_device(HostPhysical start, Bytes size) {
    return map_pages(start, size, mm::Protection::read_write, mm::Cache::uncached);
}

Status<MemorySetupError> map_firmware(HostPhysical start, Bytes size) {
    return map_pages(start, size, mm::Protection::read_only, mm::Cache::write_back);
}

Status<MemorySetupError> map_shared(HostPhysical start, Bytes size) {
    return map_pages(start, size, mm::Protection::read_write, mm::Cache::write_back);
}

std::optional<HostPhysical> start_up_page(const boot::BootInfo& info) {
    constexpr u64 first = page_size; // page 0 holds the BIOS's data
    for (u64 at = first; at < low_memory; at += page_size) {
        const bool ram = std::any_of(
            info.memory_map.begin(), info.memory_map.end(), [at](const boot::MemoryRange& range) {
                return range.kind == boot::MemoryKind::ram && range.start.raw() <= at &&
                       at + page_size <= range.start.raw() + range.size.raw();
            });
        if (ram && !is_taken(info, at, page_size))
            return HostPhysical{at};
    }
    return std::nullopt;
}

Result<HostVirtual, MemorySetupError> make_stack() {
    const u64 bottom = next_stack + page_size; // the page below stays unmapped
    for (u64 done = 0; done < stack_size; done += page_size) {
        const auto frame = allocator.allocate(
            mm::FrameOrder::size_4k, mm::FrameType::hypervisor, mm::hypervisor_owner);
        if (!frame || !host_tables.map(HostVirtual{bottom + done},
                                       frame.value().address(),
                                       Bytes{page_size},
                                       mm::Protection::read_write,
                                       mm::Cache::write_back))
            return Failure{MemorySetupError::tables};
    }
    next_stack = bottom + stack_size;
    machine::register_stack(HostVirtual{bottom}, HostVirtual{next_stack});
    return HostVirtual{next_stack};
}

HostPhysical host_table_root() {
    return host_tables.root();
}

u64 own_memory(const mm::FrameCounts& counts) {
    return (counts.of_type[static_cast<u8>(mm::FrameType::hypervisor)] +
            counts.of_type[static_cast<u8>(mm::FrameType::cpu)]) *
           page_size;
}

} // namespace ravelin::hv

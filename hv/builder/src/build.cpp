// SPDX-License-Identifier: Apache-2.0
// The domain's layout, from the bottom: RAM with the kernel where it wants to be, then (from the
// top down) 64 KiB of ACPI tables, two pages of start_info and command line, the ramdisk. Bytes
// between 640 KiB and 1 MiB are memory that reads as zero, so that the searches of PC kernels there
// end at once.
#include "hv/builder/build.hpp"

#include "hv/builder/acpi.hpp"

#include <hv/abi/xen.hpp>

#include <algorithm>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
extern "C" {
#include <xen/arch-x86/hvm/start_info.h>
}
#pragma GCC diagnostic pop

namespace ravelin::hv::builder {
namespace {

constexpr u64 mib = 1024 * 1024;
constexpr u64 large_page = 2 * mib;
constexpr u64 least_memory = 16 * mib;
constexpr u64 most_memory = 3072 * mib;
constexpr u64 part = 16 * mib; ///< what one call gives or copies at most
constexpr u64 acpi_size = 64 * 1024;
constexpr u64 start_size = 2 * page_size;
constexpr u64 hole_start = 0xa0000;
constexpr u64 hole_end = 0x100000;

struct Layout {
    GuestPhysical acpi;
    GuestPhysical start;
    GuestPhysical ramdisk;
};

Failure<BuildFailure> fail(BuildError error) {
    return Failure{BuildFailure{error, {}}};
}

Result<Layout, BuildFailure> lay_out(const Plan& plan, const wire::PvhKernel& kernel) {
    const u64 memory = plan.memory.raw();
    if (!is_memory_size(plan.memory))
        return fail(BuildError::bad_memory_size);
    const GuestPhysical acpi{memory - acpi_size};
    const GuestPhysical start = acpi - start_size;
    if (plan.ramdisk.size() > start.raw())
        return fail(BuildError::too_little_room);
    const GuestPhysical ramdisk = (start - plan.ramdisk.size()).align_down(page_size);
    for (const wire::ElfSegment& segment : kernel.segments) {
        const u64 end = segment.address.raw() + segment.size.raw();
        const bool in_hole = segment.address.raw() < hole_end && end > hole_start;
        if (end > ramdisk.raw() || in_hole)
            return fail(BuildError::too_little_room);
    }
    return Layout{acpi, start, ramdisk};
}

/// Maps 2 MiB of new frames at `at`, in one piece if there is one.
Status<BuildFailure>
give_block(GuestPhysical at, domain::Domain& domain, mm::FrameAllocator& frames) {
    const auto large = frames.allocate(mm::FrameOrder::size_2m, mm::FrameType::domain, domain.id());
    const u64 step = large ? large_page : page_size;
    for (u64 inner = 0; inner < large_page; inner += step) {
        const auto frame =
            large ? large
                  : frames.allocate(mm::FrameOrder::size_4k, mm::FrameType::domain, domain.id());
        if (!frame)
            return fail(BuildError::out_of_frames);
        if (!domain.stage2().map(at + inner,
                                 frame.value().address(),
                                 Bytes{step},
                                 Access::all,
                                 stage2::MemoryType::write_back))
            return fail(BuildError::stage2);
    }
    return Unit{};
}

Status<BuildFailure>
copy(const domain::Domain& domain, GuestPhysical to, std::span<const u8> bytes) {
    if (!domain.memory().write(to, bytes))
        return fail(BuildError::stage2);
    return Unit{};
}

template <typename T> std::span<const u8> bytes_of(const T& value) {
    // SAFETY: a trivially copyable structure of the ABI, read as bytes.
    return {reinterpret_cast<const u8*>(&value), sizeof(value)};
}

void describe_memory(const Plan& plan, domain::Domain& domain, const Layout& layout) {
    using domain::MemoryKind;
    auto& map = domain.memory_map();
    map.clear();
    const bool fits =
        map.push_back({GuestPhysical{0}, Bytes{hole_start}, MemoryKind::ram}) &&
        map.push_back(
            {GuestPhysical{hole_start}, Bytes{hole_end - hole_start}, MemoryKind::reserved}) &&
        map.push_back(
            {GuestPhysical{hole_end}, Bytes{layout.acpi.raw() - hole_end}, MemoryKind::ram}) &&
        map.push_back({layout.acpi, Bytes{acpi_size}, MemoryKind::acpi_reclaimable});
    ensure(fits, "a memory map of four entries");
    if (!plan.initial_domain)
        ensure(map.push_back({special_pages.address(),
                              Bytes{special_page_count * page_size},
                              MemoryKind::reserved}),
               "a memory map of five entries");
    if (plan.pci)
        ensure(
            map.push_back(
                {plan.pci->ecam, Bytes{(u64{plan.pci->last_bus} + 1) << 20}, MemoryKind::reserved}),
            "a memory map of five entries");
}

/// start_info, its module list, its memory map, and behind them the command line.
/// [xen/arch-x86/hvm/start_info.h]
Status<BuildFailure> write_start_info(const Plan& plan,
                                      domain::Domain& domain,
                                      const Layout& layout,
                                      GuestPhysical rsdp) {
    const GuestPhysical module = layout.start + sizeof(hvm_start_info);
    const GuestPhysical map = module + sizeof(hvm_modlist_entry);
    const usize entries = domain.memory_map().size();
    const GuestPhysical command_line = map + entries * sizeof(hvm_memmap_table_entry);
    if (command_line + plan.command_line.size() + 1 > layout.acpi)
        return fail(BuildError::text_too_long);

    hvm_start_info info{};
    info.magic = XEN_HVM_START_MAGIC_VALUE;
    info.version = 1;
    info.flags = plan.initial_domain ? SIF_PRIVILEGED | SIF_INITDOMAIN : 0;
    info.nr_modules = plan.ramdisk.empty() ? 0 : 1;
    info.modlist_paddr = module.raw();
    info.cmdline_paddr = command_line.raw();
    info.rsdp_paddr = rsdp.raw();
    info.memmap_paddr = map.raw();
    info.memmap_entries = static_cast<u32>(entries);
    (void)RAVELIN_TRY(copy(domain, layout.start, bytes_of(info)));

    hvm_modlist_entry ramdisk{};
    ramdisk.paddr = layout.ramdisk.raw();
    ramdisk.size = plan.ramdisk.size();
    (void)RAVELIN_TRY(copy(domain, module, bytes_of(ramdisk)));
    for (usize i = 0; i < entries; ++i) {
        hvm_memmap_table_entry entry{};
        const domain::MemoryRegion& region = domain.memory_map()[i];
        entry.addr = region.start.raw();
        entry.size = region.size.raw();
        entry.type = static_cast<u32>(region.kind);
        (void)RAVELIN_TRY(copy(domain, map + i * sizeof(entry), bytes_of(entry)));
    }
    // SAFETY: char may alias any byte. The memory behind it is zero, which ends the text.
    return copy(domain,
                command_line,
                {reinterpret_cast<const u8*>(plan.command_line.data()), plan.command_line.size()});
}

Result<GuestPhysical, BuildFailure>
write_acpi(const Plan& plan, const domain::Domain& domain, const Layout& layout) {
    std::array<u8, 1024> tables{};
    const AcpiPlan acpi{layout.acpi, plan.vcpus, plan.pci ? &*plan.pci : nullptr};
    const auto rsdp = write_acpi_tables(acpi, tables);
    if (!rsdp)
        return fail(BuildError::too_little_room);
    (void)RAVELIN_TRY(copy(domain, layout.acpi, tables));
    return rsdp.value();
}

/// True when nothing is missing any more.
Result<bool, BuildFailure>
give_next_memory(const Plan& plan, domain::Domain& domain, mm::FrameAllocator& frames) {
    u64 given = 0;
    for (u64 at = 0; at < plan.memory.raw(); at += large_page) {
        if (domain.stage2().translate(GuestPhysical{at}))
            continue;
        if (given == part)
            return false;
        (void)RAVELIN_TRY(give_block(GuestPhysical{at}, domain, frames));
        given += large_page;
    }
    return given == 0; // what was given now is enough for one call
}

/// The same: the images one behind the other, from where the last call stopped.
Result<bool, BuildFailure> copy_next_images(const Plan& plan,
                                            const wire::PvhKernel& kernel,
                                            const Layout& layout,
                                            const domain::Domain& domain,
                                            Progress& progress) {
    u64 start = 0; // of this image in the row of them
    u64 room = part;
    const auto next = [&](GuestPhysical to, std::span<const u8> image) -> Status<BuildFailure> {
        const u64 behind = progress.copied - std::min(progress.copied, start);
        start += image.size();
        if (behind >= image.size())
            return Unit{};
        const u64 count = std::min<u64>(room, image.size() - behind);
        (void)RAVELIN_TRY(copy(domain, to + behind, image.subspan(behind, count)));
        progress.copied += count;
        room -= count;
        return Unit{};
    };
    for (const wire::ElfSegment& segment : kernel.segments)
        (void)RAVELIN_TRY(next(segment.address, segment.bytes));
    (void)RAVELIN_TRY(next(layout.ramdisk, plan.ramdisk));
    return progress.copied == start;
}

} // namespace

std::string_view text(const BuildFailure& failure) {
    switch (failure.error) {
    case BuildError::kernel:
        return wire::text(failure.elf);
    case BuildError::too_little_room:
        return "kernel, ramdisk and tables do not fit the domain's memory";
    case BuildError::bad_memory_size:
        return "memory must be a multiple of 2 MiB, from 16 MiB to 3 GiB";
    case BuildError::out_of_frames:
        return "not enough free memory";
    case BuildError::stage2:
        return "the domain's memory could not be mapped";
    case BuildError::text_too_long:
        return "the command line is too long";
    }
    return "unknown";
}

bool is_memory_size(Bytes memory) {
    return memory.raw() >= least_memory && memory.raw() <= most_memory &&
           memory.raw() % large_page == 0;
}

Result<bool, BuildFailure> give_next_part(const Plan& plan,
                                          domain::Domain& domain,
                                          mm::FrameAllocator& frames,
                                          Progress& progress) {
    const auto kernel = wire::decode_pvh_kernel(plan.kernel);
    if (!kernel)
        return Failure{BuildFailure{BuildError::kernel, kernel.error()}};
    const Layout layout = RAVELIN_TRY(lay_out(plan, kernel.value()));
    if (!RAVELIN_TRY(give_next_memory(plan, domain, frames)))
        return false;
    return copy_next_images(plan, kernel.value(), layout, domain, progress);
}

Result<Entry, BuildFailure> build(const Plan& plan,
                                  domain::Domain& domain,
                                  mm::FrameAllocator& frames,
                                  Progress& progress,
                                  BuildObserver& observer) {
    const auto kernel = wire::decode_pvh_kernel(plan.kernel);
    if (!kernel)
        return Failure{BuildFailure{BuildError::kernel, kernel.error()}};
    const Layout layout = RAVELIN_TRY(lay_out(plan, kernel.value()));
    while (!RAVELIN_TRY(give_next_memory(plan, domain, frames))) {
    }
    observer.copying(true);
    while (!RAVELIN_TRY(copy_next_images(plan, kernel.value(), layout, domain, progress))) {
    }
    observer.copying(false);
    describe_memory(plan, domain, layout);
    const GuestPhysical rsdp = RAVELIN_TRY(write_acpi(plan, domain, layout));
    (void)RAVELIN_TRY(write_start_info(plan, domain, layout, rsdp));
    return Entry{kernel.value().entry, static_cast<u32>(layout.start.raw())};
}

} // namespace ravelin::hv::builder

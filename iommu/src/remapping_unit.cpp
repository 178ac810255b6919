// SPDX-License-Identifier: Apache-2.0
#include "iommu/remapping_unit.hpp"

#include "iommu/registers.hpp"

#include <algorithm>

namespace ravelin::iommu {
namespace {

constexpr u8 size_2m = 1; // bits of CAP.SLLPS
constexpr u8 size_1g = 2;
constexpr u64 interrupt_table_order = 7; // 2^(7+1) entries: one page

} // namespace

Capabilities Capabilities::decode(u64 cap, u64 ecap) {
    Capabilities out{};
    out.queued_invalidation = reg::Ecap::Qi::get(ecap);
    out.interrupt_remapping = reg::Ecap::Ir::get(ecap);
    out.coherency = reg::Ecap::C::get(ecap) ? Coherency::snooped : Coherency::written_back;
    out.caches_absent_entries = reg::Cap::Cm::get(cap);
    out.buffers_writes = reg::Cap::Rwbf::get(cap);
    out.protects_low = reg::Cap::Plmr::get(cap) || reg::Cap::Phmr::get(cap);
    const u64 widths = reg::Cap::Sagaw::get(cap);
    out.three_levels = (widths & 2) != 0;
    out.four_levels = (widths & 4) != 0;
    out.page_sizes = static_cast<u8>(reg::Cap::Sllps::get(cap));
    out.address_bits = static_cast<unsigned>(reg::Cap::Mgaw::get(cap)) + 1;
    out.domain_tags = u32{1} << (4 + 2 * reg::Cap::Nd::get(cap));
    out.fault_offset = static_cast<u32>(reg::Cap::Fro::get(cap)) * reg::Frcd::size;
    out.fault_records = static_cast<u32>(reg::Cap::Nfr::get(cap)) + 1;
    return out;
}

Status<Error> Capabilities::usable() const {
    if (!queued_invalidation)
        return Failure{Error::no_queued_invalidation};
    if (!interrupt_remapping)
        return Failure{Error::no_interrupt_remapping};
    if (!three_levels && !four_levels)
        return Failure{Error::no_address_width};
    return Unit{};
}

Result<Geometry, Error> common_geometry(std::span<const Capabilities> units) {
    const auto all = [units](auto property) {
        return std::all_of(units.begin(), units.end(), property);
    };
    Geometry out{};
    if (all([](const Capabilities& unit) { return unit.four_levels; }))
        out.levels = 4;
    else if (all([](const Capabilities& unit) { return unit.three_levels; }))
        out.levels = 3;
    else
        return Failure{Error::no_address_width};
    const bool two_mib =
        all([](const Capabilities& unit) { return (unit.page_sizes & size_2m) != 0; });
    const bool one_gib =
        all([](const Capabilities& unit) { return (unit.page_sizes & size_1g) != 0; });
    out.largest_leaf = two_mib ? (one_gib ? 3 : 2) : 1;
    out.address_bits = 12 + 9 * out.levels;
    for (const Capabilities& unit : units)
        out.address_bits = std::min(out.address_bits, unit.address_bits);
    return out;
}

RemappingUnit::RemappingUnit(RegisterSpace& registers, Platform& platform, TableMemory& memory)
    : registers_{registers}, platform_{platform}, capabilities_{Capabilities::decode(
                                                      registers.read64(reg::Cap::offset),
                                                      registers.read64(reg::Ecap::offset))},
      writer_{platform, memory, capabilities_.coherency}, queue_{registers, platform, writer_} {}

/// One command, confirmed by its status bit. [VT-d 11.4.4]
Status<Error> RemappingUnit::command(u32 set, u32 clear, u32 status, bool expected) {
    const u32 lasting = registers_.read32(reg::Gsts::offset) & reg::Gsts::lasting;
    registers_.write32(reg::Gcmd::offset, (lasting & ~clear) | set);
    const u64 start = platform_.microseconds();
    while (((registers_.read32(reg::Gsts::offset) & status) != 0) != expected) {
        if (platform_.microseconds() - start > command_timeout_us) {
            failed_ = true;
            return Failure{Error::timed_out};
        }
        platform_.relax();
    }
    return Unit{};
}

/// What firmware or a loader left on goes off, in the order that keeps each step legal: interrupt
/// remapping and translation need the queue only for invalidation, which starts afresh.
Status<Error> RemappingUnit::turn_off() {
    const u32 status = registers_.read32(reg::Gsts::offset);
    if (reg::Gsts::Ires::get(status))
        (void)RAVELIN_TRY(command(0, reg::Gcmd::Ire::of(true), reg::Gsts::Ires::of(true), false));
    if (reg::Gsts::Qies::get(status))
        (void)RAVELIN_TRY(command(0, reg::Gcmd::Qie::of(true), reg::Gsts::Qies::of(true), false));
    if (reg::Gsts::Cfis::get(status))
        (void)RAVELIN_TRY(command(0, reg::Gcmd::Cfi::of(true), reg::Gsts::Cfis::of(true), false));
    return Unit{};
}

Status<Error> RemappingUnit::flush_write_buffer() {
    if (!capabilities_.buffers_writes)
        return Unit{};
    return command(reg::Gcmd::Wbf::of(true), 0, reg::Gsts::Wbfs::of(true), false);
}

Status<Error> RemappingUnit::invalidate(std::span<const Pair> descriptors) {
    if (failed_)
        return Failure{Error::unit_failed};
    (void)RAVELIN_TRY(flush_write_buffer());
    const auto done = queue_.perform(descriptors);
    failed_ = failed_ || !done;
    return done;
}

Status<Error> RemappingUnit::enable_deny_all(HostFrame interrupts) {
    using reg::Gcmd;
    using reg::Gsts;
    (void)RAVELIN_TRY(capabilities_.usable());
    (void)RAVELIN_TRY(turn_off());
    root_ = RAVELIN_TRY(writer_.allocate());
    (void)RAVELIN_TRY(queue_.prepare());
    // Faults are read by polling; a message of the unit itself would bypass remapping anyway.
    registers_.write32(reg::Fectl::offset, reg::Fectl::Im::of(true));
    (void)RAVELIN_TRY(command(Gcmd::Qie::of(true), 0, Gsts::Qies::of(true), true));
    (void)RAVELIN_TRY(flush_write_buffer());
    // Translation that is on already goes over to the new root at this command. [VT-d 6.6]
    registers_.write64(reg::Rtaddr::offset, root_.address().raw());
    (void)RAVELIN_TRY(command(Gcmd::Srtp::of(true), 0, Gsts::Rtps::of(true), true));
    const std::array translations{Descriptor::context_global(), Descriptor::iotlb_global()};
    (void)RAVELIN_TRY(invalidate(translations));
    (void)RAVELIN_TRY(command(Gcmd::Te::of(true), 0, Gsts::Tes::of(true), true));
    registers_.write64(reg::Irta::offset,
                       interrupts.address().raw() | reg::Irta::S::of(interrupt_table_order));
    (void)RAVELIN_TRY(command(Gcmd::Sirtp::of(true), 0, Gsts::Irtps::of(true), true));
    const std::array<Pair, 1> entries{Descriptor::interrupt_global()};
    (void)RAVELIN_TRY(invalidate(entries));
    (void)RAVELIN_TRY(command(Gcmd::Ire::of(true), 0, Gsts::Ires::of(true), true));
    if (capabilities_.protects_low)
        registers_.write32(reg::Pmen::offset, 0); // translation covers everything now
    (void)take_faults();                          // of before
    return Unit{};
}

/// The lower half of the device's context entry, in a table made when its bus is first used.
Result<u64*, Error> RemappingUnit::context_entry(u16 source_id) {
    const usize bus = source_id >> 8;
    const usize device_function = source_id & 0xff;
    const TablePage root = writer_.memory().page(root_);
    u64& entry = root[2 * bus];
    if (!RootEntry::P::get(entry))
        writer_.store(entry, RootEntry::of(RAVELIN_TRY(writer_.allocate()))[0]);
    const HostFrame table = HostFrame::of(HostPhysical{entry & table_address_mask});
    return &writer_.memory().page(table)[2 * device_function];
}

Status<Error> RemappingUnit::attach(u16 source_id, HostFrame root, unsigned levels, DomainTag tag) {
    if (failed_)
        return Failure{Error::unit_failed};
    ensure(tag.raw() != 0 && tag.raw() < capabilities_.domain_tags, "a usable domain tag");
    u64* const entry = RAVELIN_TRY(context_entry(source_id));
    if (ContextEntry::P::get(entry[0]))
        return Failure{Error::already_attached};
    const Pair value = ContextEntry::of(root, levels, tag);
    writer_.store(entry[1], value[1]);
    writer_.store(entry[0], value[0]); // present last: never seen half
    // Not-present entries are cached in caching mode only, tagged zero; elsewhere this does no
    // harm.
    const std::array descriptors{Descriptor::context_device(DomainTag{0}, source_id),
                                 Descriptor::iotlb_domain(tag)};
    return invalidate(descriptors);
}

Status<Error> RemappingUnit::detach(u16 source_id, DomainTag tag) {
    u64* const entry = RAVELIN_TRY(context_entry(source_id));
    if (!ContextEntry::P::get(entry[0]))
        return Failure{Error::not_attached};
    writer_.store(entry[0], 0);
    const std::array descriptors{Descriptor::context_device(tag, source_id),
                                 Descriptor::iotlb_domain(tag)};
    return invalidate(descriptors);
}

Status<Error> RemappingUnit::forget_domain(DomainTag tag) {
    const std::array<Pair, 1> descriptors{Descriptor::iotlb_domain(tag)};
    return invalidate(descriptors);
}

Status<Error> RemappingUnit::forget_interrupt(u16 index) {
    const std::array<Pair, 1> descriptors{Descriptor::interrupt_index(index)};
    return invalidate(descriptors);
}

FaultBatch RemappingUnit::take_faults() { // [VT-d 7.2.1]
    using reg::Frcd;
    FaultBatch out{};
    const u32 status = registers_.read32(reg::Fsts::offset);
    if (reg::Fsts::Ppf::get(status))
        next_fault_ = reg::Fsts::Fri::get(status) % capabilities_.fault_records;
    for (u32 i = 0; i < capabilities_.fault_records && !out.faults.full(); ++i) {
        const u32 at = capabilities_.fault_offset + next_fault_ * Frcd::size;
        const u64 high = registers_.read64(at + Frcd::high);
        if (!Frcd::F::get(high))
            break;
        const u64 low = registers_.read64(at);
        constexpr u8 first_interrupt_reason = 0x20;
        Fault fault{};
        fault.source_id = static_cast<u16>(Frcd::Sid::get(high));
        fault.reason = static_cast<u8>(Frcd::Fr::get(high));
        fault.address = low & ~(page_size - 1);
        if (fault.reason >= first_interrupt_reason) {
            fault.type = FaultType::interrupt;
            fault.address = Frcd::Index::get(low);
        } else if (Frcd::T1::get(high)) {
            fault.type = Frcd::T2::get(high) ? FaultType::atomic : FaultType::read;
        } else {
            fault.type = Frcd::T2::get(high) ? FaultType::page_request : FaultType::write;
        }
        registers_.write32(at + Frcd::last, Frcd::FInLast::of(true));
        const bool kept = out.faults.push_back(fault);
        ensure(kept, "the loop ends when the batch is full");
        next_fault_ = (next_fault_ + 1) % capabilities_.fault_records;
    }
    if (reg::Fsts::Pfo::get(status)) {
        out.lost = true;
        registers_.write32(reg::Fsts::offset, reg::Fsts::Pfo::of(true));
    }
    return out;
}

} // namespace ravelin::iommu

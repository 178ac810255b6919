// SPDX-License-Identifier: Apache-2.0
#include "iommu/interrupt_remapper.hpp"

namespace ravelin::iommu {
namespace {

// [VT-d 5.1.2.2] Remappable format: FEEh, handle 14:0 in 19:5, format bit 4, handle 15 in bit 2.
using HandleLow = BitField<u64, 19, 5>;
using Format = BitFlag<u64, 4>;
using HandleHigh = BitFlag<u64, 2>;
constexpr u64 message_base = 0xfee0'0000;

constexpr u8 first_vector = 16; // [SDM vol3 11.5.2]
constexpr u32 xapic_broadcast = 0xff;

} // namespace

Status<Error> InterruptRemapper::initialise() {
    table_ = RAVELIN_TRY(writer_.allocate());
    return Unit{};
}

Status<Error> InterruptRemapper::add_unit(RemappingUnit& unit) {
    if (!units_.push_back(&unit))
        return Failure{Error::too_many_units};
    return Unit{};
}

Status<Error> InterruptRemapper::forget(u16 index) {
    for (RemappingUnit* const unit : units_)
        (void)RAVELIN_TRY(unit->forget_interrupt(index));
    return Unit{};
}

Result<InterruptHandle, Error>
InterruptRemapper::allocate(PciAddress device, Vector vector, ApicId target) {
    if (vector.raw() < first_vector || target.raw() >= xapic_broadcast)
        return Failure{Error::bad_interrupt};
    for (usize i = 0; i < capacity; ++i) {
        Slot& slot = slots_[i];
        if (slot.use != Use::free)
            continue;
        const u16 index = static_cast<u16>(i);
        const Pair entry = InterruptEntry::of(device.source_id(), vector, target);
        const TablePage page = writer_.memory().page(table_);
        slot = Slot{Use::used, slot.generation + 1};
        writer_.store(page[2 * i + 1], entry[1]);
        writer_.store(page[2 * i], entry[0]); // present last
        const auto known = forget(index);
        if (!known) {
            writer_.store(page[2 * i], 0);
            slot.use = Use::lost;
            return Failure{known.error()};
        }
        return InterruptHandle{index, slot.generation};
    }
    return Failure{Error::out_of_interrupts};
}

Status<Error> InterruptRemapper::release(InterruptHandle handle) {
    if (handle.index >= capacity || slots_[handle.index].use != Use::used ||
        slots_[handle.index].generation != handle.generation)
        return Failure{Error::bad_interrupt};
    Slot& slot = slots_[handle.index];
    writer_.store(writer_.memory().page(table_)[2 * usize{handle.index}], 0);
    slot.use = Use::lost;
    (void)RAVELIN_TRY(forget(handle.index));
    slot.use = Use::free;
    return Unit{};
}

RemappedMessage InterruptRemapper::message(InterruptHandle handle) {
    const u64 low = handle.index & 0x7fffu;
    return {message_base | HandleLow::of(low) | Format::of(true) |
                HandleHigh::of((handle.index >> 15) != 0),
            0};
}

} // namespace ravelin::iommu

// SPDX-License-Identifier: Apache-2.0
#include "unit_model.hpp"

#include <algorithm>

namespace ravelin::iommu::test {
namespace {

constexpr u64 address_bits = 0x000f'ffff'ffff'f000;

} // namespace

Result<HostFrame, TableMemoryError> ModelMemory::allocate() {
    if (allocations_left == 0)
        return Failure{TableMemoryError::out_of_frames};
    --allocations_left;
    const HostFrame frame{next_++};
    auto& page = pages_[frame.raw()] = std::make_unique<Frames>();
    page->device.fill(0xdead'beef'dead'beef); // zeroes that were not written back are not there
    return frame;
}

void ModelMemory::release(HostFrame frame) {
    ASSERT_EQ(pages_.erase(frame.raw()), 1u);
}

TablePage ModelMemory::page(HostFrame frame) {
    return TablePage{pages_.at(frame.raw())->cpu};
}

void ModelMemory::write_back(const void* at, usize size) {
    const auto* const word = static_cast<const u64*>(at);
    for (auto& [number, frames] : pages_) {
        const u64* const start = frames->cpu.data();
        if (word < start || word >= start + 512)
            continue;
        const auto first = word - start;
        std::copy_n(word, size / 8, frames->device.begin() + first);
    }
    after_store();
}

u64 ModelMemory::device_read(u64 address) {
    const auto found = pages_.find(address >> 12);
    if (found == pages_.end()) {
        ADD_FAILURE() << "the unit read memory that is no table: " << std::hex << address;
        return 0;
    }
    const Page& page = coherent ? found->second->cpu : found->second->device;
    return page[address % 4096 / 8];
}

void ModelMemory::device_write(u64 address, u32 value) {
    const auto found = pages_.find(address >> 12);
    if (found == pages_.end() || address % 4 != 0) {
        ADD_FAILURE() << "the unit wrote outside its status page";
        return;
    }
    for (Page* const page : {&found->second->cpu, &found->second->device}) {
        u64& word = (*page)[address % 4096 / 8];
        const unsigned shift = address % 8 == 0 ? 0 : 32;
        word = (word & ~(u64{0xffff'ffff} << shift)) | u64{value} << shift;
    }
}

u32 UnitModel::read32(u32 offset) {
    switch (offset) {
    case 0x1c:
        return status;
    case 0x34: {
        const bool pending = std::any_of(
            records_.begin(), records_.end(), [](const auto& r) { return r[1] >> 63 != 0; });
        u32 oldest = next_record_;
        for (u32 i = 0; i < 4 && records_[oldest][1] >> 63 == 0; ++i)
            oldest = (oldest + 1) % 4;
        return fault_status_ | (pending ? 2u : 0u) | (pending ? oldest << 8 : 0u);
    }
    case 0x38:
        return fault_control_;
    case 0x64:
        return protected_memory;
    default:
        ADD_FAILURE() << "read of register " << std::hex << offset;
        return 0;
    }
}

u64 UnitModel::read64(u32 offset) {
    if (offset == 0x08)
        return cap;
    if (offset == 0x10)
        return ecap;
    if (offset >= 0x220 && offset < 0x260 && offset % 8 == 0)
        return records_[(offset - 0x220) / 16][offset % 16 / 8];
    ADD_FAILURE() << "64-bit read of register " << std::hex << offset;
    return 0;
}

void UnitModel::write32(u32 offset, u32 value) {
    constexpr u32 one_shot = 1u << 30 | 1u << 27 | 1u << 24;
    switch (offset) {
    case 0x18: {
        // One command at a time: the lasting bits may differ from the status in one bit only.
        const u32 changed = ((value & ~one_shot) ^ (status & ~one_shot)) | (value & one_shot);
        EXPECT_EQ(changed & (changed - 1), 0u) << "two commands at once";
        if ((changed & dead_commands) != 0)
            return;
        status = (status & one_shot) | (value & ~one_shot) | (value & (1u << 30 | 1u << 24));
        status &= ~(1u << 27);
        if ((value & 1u << 30) != 0)
            root_latched_ = root_;
        if ((value & 1u << 24) != 0)
            interrupts_latched_ = interrupts_;
        if ((changed & value & 1u << 31) != 0) {
            EXPECT_NE(status & 1u << 30, 0u) << "translation without a root table";
        }
        if ((changed & value & 1u << 26) != 0) {
            EXPECT_EQ(tail_, 0u);
            head_ = 0;
        }
        break;
    }
    case 0x34:
        fault_status_ &= ~value;
        break;
    case 0x38:
        fault_control_ = value;
        break;
    case 0x64:
        protected_memory = value;
        break;
    default:
        if (offset >= 0x220 && offset < 0x260 && offset % 16 == 12) {
            if (value >> 31 != 0)
                records_[(offset - 0x220) / 16][1] &= ~(u64{1} << 63);
            return;
        }
        ADD_FAILURE() << "write of register " << std::hex << offset;
    }
}

void UnitModel::write64(u32 offset, u64 value) {
    switch (offset) {
    case 0x20:
        root_ = value;
        break;
    case 0x88:
        tail_ = value;
        run_queue();
        break;
    case 0x90:
        EXPECT_EQ(status & 1u << 26, 0u) << "the queue moved while it runs";
        queue_ = value;
        break;
    case 0xb8:
        interrupts_ = value;
        break;
    default:
        ADD_FAILURE() << "64-bit write of register " << std::hex << offset;
    }
}

void UnitModel::run_queue() {
    if ((status & 1u << 26) == 0 || dead_queue)
        return;
    while (head_ != tail_) {
        if (refuse_descriptors) {
            fault_status_ |= 1u << 4;
            return;
        }
        const u64 at = (queue_ & address_bits) + head_;
        perform(memory_.device_read(at), memory_.device_read(at + 8));
        head_ = (head_ + 16) % 4096;
        ++descriptors;
    }
}

void UnitModel::perform(u64 low, u64 high) {
    const u64 granularity = low >> 4 & 3;
    const u16 tag = static_cast<u16>(low >> 16);
    switch (low & 15) {
    case 1: {
        const u16 source_id = static_cast<u16>(low >> 32);
        ASSERT_NE(granularity, 0u);
        std::erase_if(contexts_, [&](const auto& entry) {
            const u16 cached_tag = static_cast<u16>(entry.second.high >> 8);
            return granularity == 1 || (granularity == 2 && cached_tag == tag) ||
                   (granularity == 3 && entry.first == source_id && cached_tag == tag);
        });
        break;
    }
    case 2:
        ASSERT_NE(granularity, 0u);
        ASSERT_NE(granularity, 3u) << "page-selective invalidation is not used";
        std::erase_if(iotlb_, [&](const auto& entry) {
            return granularity == 1 || entry.first.first == tag;
        });
        break;
    case 4:
        if ((low >> 4 & 1) == 0)
            entries_.clear();
        else
            entries_.erase(static_cast<u16>(low >> 32));
        break;
    case 5:
        ASSERT_NE(low & 1 << 5, 0u) << "a wait descriptor without a status write";
        memory_.device_write(high, static_cast<u32>(low >> 32));
        break;
    default:
        ADD_FAILURE() << "descriptor type " << (low & 15);
    }
}

void UnitModel::record(u16 source_id, u64 info, u8 reason, Direction direction) {
    if (records_[next_record_][1] >> 63 != 0) {
        fault_status_ |= 1;
        return;
    }
    if ((fault_status_ & 1) != 0)
        return; // nothing is recorded until the overflow was cleared
    const u64 type = direction == Direction::read ? u64{1} << 62 : 0;
    records_[next_record_] = {info, u64{1} << 63 | type | u64{reason} << 32 | source_id};
    next_record_ = (next_record_ + 1) % 4;
}

Outcome UnitModel::walk(u16 source_id, u64 address, Direction direction) {
    if (status >> 31 == 0)
        return {address};
    const u64 root_entry = (root_latched_ & address_bits) + (source_id >> 8) * 16u;
    const u64 root_low = memory_.device_read(root_entry);
    if ((root_low & 1) == 0)
        return {std::nullopt, 1};
    const u64 context_entry = (root_low & address_bits) + (source_id & 0xffu) * 16u;
    const u64 low = memory_.device_read(context_entry);
    const u64 high = memory_.device_read(context_entry + 8);
    if ((low & 1) == 0)
        return {std::nullopt, 2};
    const unsigned levels = (high & 7) + 2;
    if (((cap >> 8) >> (levels - 2) & 1) == 0 || (low & 0xc) != 0)
        return {std::nullopt, 3};
    if (address >> (12 + 9 * levels) != 0)
        return {std::nullopt, 4};
    u64 table = low & address_bits;
    u64 rights = 3;
    for (unsigned level = levels;; --level) {
        const unsigned shift = 12 + 9 * (level - 1);
        const u64 entry = memory_.device_read(table + (address >> shift & 511) * 8);
        rights &= entry;
        if ((rights & (direction == Direction::read ? 1 : 2)) == 0)
            return {std::nullopt, direction == Direction::read ? u8{6} : u8{5}};
        if (level == 1 || (entry & 0x80) != 0) {
            EXPECT_TRUE(level == 1 || (cap >> 34 >> (level - 2) & 1) != 0)
                << "a page size that the unit does not have";
            const u64 page = entry & address_bits;
            EXPECT_EQ(page & ((u64{1} << shift) - 1), 0u);
            return {page + (address & ((u64{1} << shift) - 1))};
        }
        table = entry & address_bits;
    }
}

Outcome UnitModel::dma(u16 source_id, u64 address, Direction direction) {
    if (status >> 31 == 0)
        return {address};
    // The context and the translation come from the caches when they are there.
    const auto context = contexts_.find(source_id);
    if (context != contexts_.end()) {
        const u16 tag = static_cast<u16>(context->second.high >> 8);
        const auto cached = iotlb_.find({tag, address >> 12});
        if (cached != iotlb_.end() &&
            (direction == Direction::read ? cached->second.readable : cached->second.writable))
            return {cached->second.page + address % 4096};
    }
    const Outcome outcome = walk(source_id, address, direction);
    if (!outcome.address) {
        record(source_id, address & ~u64{4095}, outcome.reason, direction);
        return outcome;
    }
    const u64 root_low =
        memory_.device_read((root_latched_ & address_bits) + (source_id >> 8) * 16u);
    const u64 entry = (root_low & address_bits) + (source_id & 0xffu) * 16u;
    const u64 high = memory_.device_read(entry + 8);
    contexts_[source_id] = {memory_.device_read(entry), high};
    iotlb_[{static_cast<u16>(high >> 8), address >> 12}] = {
        *outcome.address & ~u64{4095},
        walk(source_id, address, Direction::read).address.has_value(),
        walk(source_id, address, Direction::write).address.has_value()};
    return outcome;
}

std::optional<UnitModel::Interrupt> UnitModel::message(u16 source_id, u64 address, u32 data) {
    if ((status & 1u << 25) == 0)
        return Interrupt{static_cast<u8>(data), static_cast<u8>(address >> 12)};
    const auto blocked = [&](u64 index, u8 reason) {
        record(source_id, index << 48, reason, Direction::write);
        return std::nullopt;
    };
    if ((address & 1 << 4) == 0)
        return blocked(0, 0x25);
    const u16 index = static_cast<u16>((address >> 5 & 0x7fff) | (address >> 2 & 1) << 15);
    if (index >= u64{2} << (interrupts_latched_ & 15))
        return blocked(index, 0x21);
    if (!entries_.contains(index)) {
        const u64 at = (interrupts_latched_ & address_bits) + index * 16u;
        const u64 low = memory_.device_read(at);
        if ((low & 1) == 0)
            return blocked(index, 0x22);
        entries_[index] = {low, memory_.device_read(at + 8)};
    }
    const auto& entry = entries_[index];
    if ((entry[1] >> 18 & 3) != 1 || (entry[1] & 0xffff) != source_id)
        return blocked(index, 0x26);
    return Interrupt{static_cast<u8>(entry[0] >> 16), static_cast<u8>(entry[0] >> 40)};
}

} // namespace ravelin::iommu::test

// SPDX-License-Identifier: Apache-2.0
// The MSI-X table: the domain writes its own, the device reads ours. [PCI 3.0 6.8.2]
#include "hv/vpci/function.hpp"
#include "registers.hpp"

namespace ravelin::hv::vpci {
namespace {

constexpr u32 masked = 1;
enum class Field : u8 { address_low, address_high, data, control };

} // namespace

u64 Function::read_table(HostPhysical at, u8 size) {
    const u64 offset = at - msix_table_->start;
    const u64 index = offset / reg::msix_entry_size;
    if (at < msix_table_->start || index >= msix_table_->entries)
        return memory_->read(at, size); // the pending bits, or registers that share the page
    if (index >= max_vectors || size < 4)
        return ~u64{0};
    const Message& message = messages_[index];
    const std::array<u32, 4> words{static_cast<u32>(message.address),
                                   static_cast<u32>(message.address >> 32),
                                   message.data,
                                   message.control};
    const usize word = offset % reg::msix_entry_size / 4;
    return size == 8 && word < 3 ? u64{words[word + 1]} << 32 | words[word] : words[word];
}

void Function::write_table(HostPhysical at, u8 size, u64 value) {
    const u64 offset = at - msix_table_->start;
    const u64 index = offset / reg::msix_entry_size;
    if (at < msix_table_->start || index >= msix_table_->entries) {
        memory_->write(at, size, value);
        return;
    }
    if (index >= max_vectors || size < 4)
        return;
    if (size == 8) {
        write_table(at, 4, value & 0xffffffff);
        write_table(at + 4, 4, value >> 32);
        return;
    }
    Message& message = messages_[index];
    switch (static_cast<Field>(offset % reg::msix_entry_size / 4)) {
    case Field::address_low:
        message.address = (message.address & ~u64{0xffffffff}) | value;
        break;
    case Field::address_high:
        message.address = (message.address & 0xffffffff) | value << 32;
        break;
    case Field::data:
        message.data = static_cast<u32>(value);
        break;
    case Field::control:
        message.control = static_cast<u32>(value) & masked;
        break;
    }
    program_entry(static_cast<u16>(index));
}

/// Brings the device's entry in line with the domain's: masked until its message is routed.
void Function::program_entry(u16 index) {
    Message& message = messages_[index];
    const HostPhysical entry = msix_table_->start + index * reg::msix_entry_size;
    const bool wanted = (message.control & masked) == 0;
    if (!wanted || !connect(message)) {
        memory_->write(entry + 12, 4, masked);
        return;
    }
    memory_->write(entry, 4, message.routed->address & 0xffffffff);
    memory_->write(entry + 4, 4, message.routed->address >> 32);
    memory_->write(entry + 8, 4, message.routed->data);
    memory_->write(entry + 12, 4, 0);
}

} // namespace ravelin::hv::vpci

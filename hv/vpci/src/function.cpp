// SPDX-License-Identifier: Apache-2.0
// A domain's view of its function: configuration registers and the MSI capability.
#include "hv/vpci/function.hpp"

#include "registers.hpp"

namespace ravelin::hv::vpci {
namespace {

constexpr u32 size_mask(u8 size) {
    return size >= 4 ? ~u32{0} : (1u << (8 * size)) - 1;
}

} // namespace

void Function::hand_over(ConfigSpace& config,
                         DeviceMemory& memory,
                         InterruptRouter& router,
                         vlapic::ApicBus& apics) {
    config_ = &config;
    memory_ = &memory;
    router_ = &router;
    apics_ = &apics;
    if (msi_ != 0) {
        const u32 control = config.read(at_, static_cast<u16>(msi_ + 2), 2);
        msi_control_ = static_cast<u16>(MsiControl::MultipleCapable::set(
            MsiControl::MultipleEnable::set(MsiControl::Enable::set(control, false), 0), 0));
        config.write(at_, static_cast<u16>(msi_ + 2), 2, MsiControl::Enable::set(control, false));
    }
    if (msix_table_) {
        config.write(at_, static_cast<u16>(msix_ + 2), 2, 0);
        write_command(Command::memory);
        for (u16 i = 0; i < msix_table_->entries; ++i)
            memory.write(msix_table_->start + i * reg::msix_entry_size + 12, 4, 1);
    }
    write_command(0);
}

u32 Function::read_config(u16 offset, u8 size) {
    const u16 aligned = static_cast<u16>(offset & ~3);
    u32 value = 0;
    if (aligned >= reg::bars && aligned < reg::bars_end)
        value = read_bar(static_cast<u8>((aligned - reg::bars) / 4));
    else if (aligned == reg::rom)
        value = 0;
    else if (aligned == reg::interrupt)
        value =
            config_->read(at_, aligned, 4) & ~u32{0xffff}; // no line, no pin: INTx does not exist
    else if (in_msi(aligned))
        value = read_msi(aligned);
    else
        value = config_->read(at_, aligned, 4);
    return (value >> (8 * (offset & 3))) & size_mask(size);
}

void Function::write_config(u16 offset, u8 size, u32 value) {
    const u16 aligned = static_cast<u16>(offset & ~3);
    if (offset == reg::command && size >= 2)
        return write_command(value);
    if (aligned >= reg::bars && aligned < reg::bars_end) {
        if (size == 4)
            write_bar(static_cast<u8>((aligned - reg::bars) / 4), value);
        return;
    }
    if (in_msi(aligned))
        return write_msi(offset, size, value);
    if (offset == reg::status) {
        config_->write(at_, offset, size, value);
        return;
    }
    if (msix_ != 0 && offset == msix_ + 2 && size == 2) {
        config_->write(
            at_, offset, 2, value & (MsixControl::Enable::mask | MsixControl::MaskAll::mask));
        return;
    }
    // The header is read-only otherwise; so are extended capabilities, where address translation
    // services and virtual functions live.
    const bool in_msix = msix_ != 0 && aligned >= msix_ && aligned < msix_ + 12;
    if (offset >= reg::device_specific && offset < reg::extended && !in_msix)
        config_->write(at_, offset, size, value);
}

void Function::write_command(u32 value) {
    constexpr u32 own =
        Command::memory | Command::bus_master | Command::parity | Command::system_error;
    config_->write(at_, reg::command, 2, (value & own) | Command::no_intx);
}

u32 Function::read_bar(u8 index) {
    for (const Bar& bar : bars_) {
        if (bar.index == index)
            return bar.sizing_low ? static_cast<u32>(~(bar.size.raw() - 1)) | bar.flags
                                  : static_cast<u32>(bar.address.raw()) | bar.flags;
        if (bar.is_64 && bar.index + 1 == index)
            return static_cast<u32>((bar.sizing_high ? ~(bar.size.raw() - 1) : bar.address.raw()) >>
                                    32);
    }
    return 0;
}

// A BAR answers the question for its size and stays where it is.
void Function::write_bar(u8 index, u32 value) {
    for (usize i = 0; i < bars_.size(); ++i) {
        Bar& bar = bars_[i];
        if (bar.index == index)
            bar.sizing_low = value == ~u32{0};
        else if (bar.is_64 && bar.index + 1 == index)
            bar.sizing_high = value == ~u32{0};
    }
}

bool Function::in_msi(u16 offset) const {
    const u16 length = static_cast<u16>((msi_64_ ? 16 : 12) + (msi_masks_ ? 8 : 0));
    return msi_ != 0 && offset >= msi_ && offset < msi_ + length;
}

u32 Function::read_msi(u16 offset) {
    const u16 inner = static_cast<u16>(offset - msi_);
    if (inner == 0)
        return (config_->read(at_, offset, 4) & 0xffff) | u32{msi_control_} << 16;
    if (inner == 4)
        return static_cast<u32>(msi_message_.address);
    if (msi_64_ && inner == 8)
        return static_cast<u32>(msi_message_.address >> 32);
    if (inner == (msi_64_ ? 12 : 8))
        return msi_message_.data & 0xffff;
    return config_->read(at_, offset, 4);
}

void Function::write_msi(u16 offset, u8 size, u32 value) {
    const u16 inner = static_cast<u16>(offset - msi_);
    const u16 data_offset = msi_64_ ? 12 : 8;
    if (inner == 4 && size == 4) {
        msi_message_.address = (msi_message_.address & ~u64{0xffffffff}) | value;
    } else if (msi_64_ && inner == 8 && size == 4) {
        msi_message_.address = (msi_message_.address & 0xffffffff) | u64{value} << 32;
    } else if (inner == data_offset) {
        msi_message_.data = value & 0xffff;
    } else if (inner > data_offset) {
        config_->write(at_, offset, size, value); // mask bits are the domain's own
    } else if (inner == 2 && size == 2) {
        const bool wanted = MsiControl::Enable::get(value) && connect(msi_message_);
        msi_control_ = static_cast<u16>(MsiControl::Enable::set(msi_control_, wanted));
        if (wanted) {
            const InterruptMessage& routed = *msi_message_.routed;
            config_->write(at_, static_cast<u16>(msi_ + 4), 4, static_cast<u32>(routed.address));
            if (msi_64_)
                config_->write(
                    at_, static_cast<u16>(msi_ + 8), 4, static_cast<u32>(routed.address >> 32));
            config_->write(at_, static_cast<u16>(msi_ + data_offset), 2, routed.data);
        }
        config_->write(at_, static_cast<u16>(msi_ + 2), 2, MsiControl::Enable::of(wanted));
        return;
    }
    // A message that changes while it is on goes to its new place at once.
    if (MsiControl::Enable::get(msi_control_))
        (void)connect(msi_message_);
}

/// Routes the guest's message; false when it names no vCPU of the domain or nothing is left to
/// route it with.
bool Function::connect(Message& message) {
    const auto decoded = vlapic::decode({message.address, message.data});
    if (!decoded)
        return false;
    vlapic::VirtualLocalApic* apic = apics_->target(*decoded);
    if (apic == nullptr)
        return false;
    if (message.routed) {
        router_->retarget(*message.routed, *apic, decoded->vector);
        return true;
    }
    const auto routed = router_->route(at_, *apic, decoded->vector);
    if (!routed)
        return false;
    message.routed = routed.value();
    return true;
}

} // namespace ravelin::hv::vpci

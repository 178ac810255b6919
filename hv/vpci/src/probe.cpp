// SPDX-License-Identifier: Apache-2.0
// What a physical function is: kind, BARs, capabilities. [PCI 3.0 6.1, 6.2.5.1, 6.7, 6.8.1, 6.8.2]
#include "hv/vpci/function.hpp"
#include "registers.hpp"

#include <algorithm>

namespace ravelin::hv::vpci {

std::string_view text(Unfit reason) {
    switch (reason) {
    case Unfit::fits:
        return "fits";
    case Unfit::absent:
        return "absent";
    case Unfit::bridge:
        return "a bridge stays the hypervisor's";
    case Unfit::no_messages:
        return "it has neither MSI nor MSI-X, and INTx cannot be remapped";
    case Unfit::bad_bars:
        return "a BAR is unassigned or smaller than a page";
    }
    return "unknown";
}

Unfit Function::probe(PciAddress at, ConfigSpace& config) {
    at_ = at;
    if (config.read(at, reg::vendor, 2) == reg::nobody)
        return Unfit::absent;
    constexpr u32 bridge_class = 6;
    if ((config.read(at, reg::header_type, 1) & 0x7f) != 0 ||
        config.read(at, reg::class_code, 1) == bridge_class)
        return Unfit::bridge;
    find_capabilities(config);
    if (msi_ == 0 && msix_ == 0)
        return Unfit::no_messages;
    return probe_bars(config);
}

bool Function::keeps_clear_of(std::span<const Reserved> reserved) const {
    return std::all_of(bars_.begin(), bars_.end(), [reserved](const Bar& bar) {
        const u64 start = bar.address.raw();
        const u64 end = start + bar.size.raw();
        return end > start &&
               std::none_of(reserved.begin(), reserved.end(), [&](const Reserved& r) {
                   return start < r.start.raw() + r.size && r.start.raw() < end;
               });
    });
}

void Function::find_capabilities(ConfigSpace& config) {
    constexpr u32 has_list = 1u << 4;
    if ((config.read(at_, reg::status, 2) & has_list) == 0)
        return;
    u16 offset = static_cast<u16>(config.read(at_, reg::capabilities, 1) & 0xfc);
    for (int count = 0; offset >= 0x40 && count < 48; ++count) {
        const u32 id = config.read(at_, offset, 1);
        if (id == reg::capability_msi && msi_ == 0) {
            msi_ = offset;
            const u32 control = config.read(at_, static_cast<u16>(offset + 2), 2);
            msi_64_ = MsiControl::Is64::get(control);
            msi_masks_ = MsiControl::HasMasks::get(control);
        } else if (id == reg::capability_msix && msix_ == 0) {
            msix_ = offset;
        }
        offset = static_cast<u16>(config.read(at_, static_cast<u16>(offset + 1), 1) & 0xfc);
    }
}

Unfit Function::probe_bars(ConfigSpace& config) {
    const u32 command = config.read(at_, reg::command, 2);
    // Nothing may decode while a BAR holds all ones.
    config.write(at_, reg::command, 2, command & ~(Command::decode | Command::bus_master));
    Unfit result = Unfit::fits;
    for (u8 i = 0; i < 6; ++i) {
        const u16 offset = static_cast<u16>(reg::bars + 4 * i);
        const u32 low = config.read(at_, offset, 4);
        config.write(at_, offset, 4, ~u32{0});
        const u32 low_size = config.read(at_, offset, 4);
        config.write(at_, offset, 4, low);
        const bool is_io = (low_size & 1) != 0;
        if (low_size == 0 || is_io)
            continue; // I/O BARs are not shown: every device that has messages has memory too
        Bar bar{i, ((low >> 1) & 3) == 2, HostPhysical{low & ~u32{15}}, {}, low & 15, false, false};
        u64 mask = 0xffffffff00000000 | (low_size & ~u32{15});
        if (bar.is_64 && i < 5) {
            const u16 high_offset = static_cast<u16>(offset + 4);
            const u32 high = config.read(at_, high_offset, 4);
            config.write(at_, high_offset, 4, ~u32{0});
            mask = u64{config.read(at_, high_offset, 4)} << 32 | (low_size & ~u32{15});
            config.write(at_, high_offset, 4, high);
            bar.address = HostPhysical{u64{high} << 32 | bar.address.raw()};
            ++i;
        }
        bar.size = Bytes{~mask + 1};
        if (bar.address.raw() == 0 || bar.size.raw() < page_size ||
            !bar.address.is_aligned(page_size))
            result = Unfit::bad_bars;
        else
            ensure(bars_.push_back(bar), "six BARs at most");
    }
    config.write(at_, reg::command, 2, command & ~u32{Command::bus_master});
    if (msix_ != 0) {
        const u32 where = config.read(at_, static_cast<u16>(msix_ + 4), 4);
        const u32 control = config.read(at_, static_cast<u16>(msix_ + 2), 2);
        for (const Bar& bar : bars_) {
            const u64 offset = where & ~u32{7};
            const u16 entries = static_cast<u16>(MsixControl::SizeLessOne::get(control) + 1);
            if (bar.index == (where & 7) &&
                offset + entries * reg::msix_entry_size <= bar.size.raw())
                msix_table_ = MsixTable{bar.address + offset, entries};
        }
        if (!msix_table_)
            result = Unfit::bad_bars;
    }
    return result;
}

} // namespace ravelin::hv::vpci

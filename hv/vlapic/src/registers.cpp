// SPDX-License-Identifier: Apache-2.0
// Reading and writing the registers, by the xAPIC page or by MSR. Reserved bits read as zero; in
// x2APIC mode what the manual answers with #GP is answered so: absent registers, wrong directions,
// a non-zero upper half. [SDM vol3 11.4.1, 11.12.1]
#include <hv/vlapic/vlapic.hpp>

namespace ravelin::hv::vlapic {

namespace {

constexpr unsigned xapic_id_shift = 24;
constexpr u32 xapic_destination_writable = 0xff00'0000;
constexpr u32 destination_format_fixed = 0x0fff'ffff;
constexpr unsigned self_ipi_mask = 0xff;

/// What may be written to each entry of the local vector table, from the timer on. [SDM vol3 figure
/// 11-8]
constexpr std::array<u32, Lvt::count> lvt_writable{0x300ff,  // timer: vector, mask, periodic
                                                   0x107ff,  // thermal: vector, delivery mode, mask
                                                   0x107ff,  // performance
                                                   0x1a7ff,  // LINT0: also polarity and trigger
                                                   0x1a7ff,  // LINT1
                                                   0x100ff}; // error: vector, mask

bool exists_in(Reg which, bool x2apic) {
    switch (which) {
    case Reg::arbitration_priority:
    case Reg::remote_read:
    case Reg::destination_format:
    case Reg::interrupt_command_high:
        return !x2apic;
    case Reg::self_ipi:
        return x2apic;
    default:
        return true;
    }
}

} // namespace

std::optional<u32> VirtualLocalApic::read_register(u8 number, cpu::Tsc now) const {
    constexpr u8 words = 8;
    const auto first = [](Reg which) { return static_cast<u8>(which); };
    if (number >= first(Reg::in_service) && number < first(Reg::in_service) + words)
        return in_service_.word(number - unsigned{first(Reg::in_service)});
    if (number >= first(Reg::trigger_mode) && number < first(Reg::trigger_mode) + words)
        return 0; // everything is an edge
    if (number >= first(Reg::request) && number < first(Reg::request) + words)
        return requested_.word(number - unsigned{first(Reg::request)});
    if (number >= first(Reg::lvt_timer) && number <= first(Reg::lvt_error))
        return lvt_[number - unsigned{first(Reg::lvt_timer)}];
    switch (static_cast<Reg>(number)) {
    case Reg::id:
        return is_x2apic() ? id_.raw() : id_.raw() << xapic_id_shift;
    case Reg::version:
        return version_value;
    case Reg::task_priority:
        return task_priority_;
    case Reg::processor_priority:
        return processor_priority();
    case Reg::arbitration_priority:
    case Reg::remote_read:
        return 0;
    case Reg::logical_destination:
        return logical_id();
    case Reg::destination_format:
        return destination_format_;
    case Reg::spurious_interrupt:
        return spurious_;
    case Reg::error_status:
        return error_status_;
    case Reg::interrupt_command:
        return command_;
    case Reg::interrupt_command_high:
        return command_high_;
    case Reg::initial_count:
        return timer_.initial_count();
    case Reg::current_count:
        return timer_.current_count(now);
    case Reg::divide_configuration:
        return timer_.divide_configuration();
    default:
        return std::nullopt; // absent, or write only
    }
}

void VirtualLocalApic::write_lvt(unsigned index, u32 value) {
    lvt_[index] = value & lvt_writable[index];
    // Entries of an APIC that is disabled by software stay masked. [SDM vol3 11.4.7.2]
    if (!Spurious::Enable::get(spurious_))
        lvt_[index] |= Lvt::Masked::mask;
}

bool VirtualLocalApic::write_register(u8 number, u32 value, cpu::Tsc now) {
    if (number >= static_cast<u8>(Reg::lvt_timer) && number <= static_cast<u8>(Reg::lvt_error)) {
        write_lvt(number - static_cast<unsigned>(Reg::lvt_timer), value);
        return true;
    }
    switch (static_cast<Reg>(number)) {
    case Reg::task_priority:
        task_priority_ = static_cast<u8>(value);
        return true;
    case Reg::end_of_interrupt:
        end_interrupt();
        return true;
    case Reg::logical_destination:
        if (is_x2apic())
            return false;
        logical_destination_ = value & xapic_destination_writable;
        return true;
    case Reg::destination_format:
        destination_format_ = value | destination_format_fixed;
        return true;
    case Reg::spurious_interrupt:
        spurious_ = value & Spurious::writable;
        if (!Spurious::Enable::get(spurious_))
            for (u32& entry : lvt_)
                entry |= Lvt::Masked::mask;
        return true;
    case Reg::error_status:
        error_status_ = errors_.exchange(0, std::memory_order_relaxed);
        return true;
    case Reg::interrupt_command:
        // Reached in xAPIC mode only; the x2APIC register is 64 bits wide.
        write_command(value, command_high_ >> xapic_id_shift);
        return true;
    case Reg::interrupt_command_high:
        command_high_ = value & xapic_destination_writable;
        return true;
    case Reg::initial_count:
        timer_.start(value, timer_mode(), now);
        return true;
    case Reg::divide_configuration:
        timer_.set_divide_configuration(value, timer_mode(), now);
        return true;
    default:
        return false;
    }
}

u32 VirtualLocalApic::read(u32 offset, cpu::Tsc now) {
    if (!ApicBase::Enable::get(base_) || is_x2apic())
        return ~u32{0};
    const u8 number = static_cast<u8>(offset >> 4);
    // The page is 4 KiB, its upper three quarters reserved.
    const auto value = offset < 0x400 && exists_in(static_cast<Reg>(number), false)
                           ? read_register(number, now)
                           : std::nullopt;
    return value.value_or(0);
}

void VirtualLocalApic::write(u32 offset, u32 value, cpu::Tsc now) {
    if (!ApicBase::Enable::get(base_) || is_x2apic())
        return;
    const u8 number = static_cast<u8>(offset >> 4);
    if (offset >= 0x400 || !exists_in(static_cast<Reg>(number), false) ||
        !write_register(number, value, now))
        report_error(ErrorStatus::IllegalRegister::mask);
}

std::optional<u64> VirtualLocalApic::read_msr(u32 msr, cpu::Tsc now) {
    if (msr == ApicBase::msr)
        return base_;
    const u32 number = msr - x2apic_msr_base;
    if (!is_x2apic() || number > 0x3f || !exists_in(static_cast<Reg>(number), true))
        return std::nullopt;
    if (static_cast<Reg>(number) == Reg::interrupt_command)
        return u64{command_high_} << 32 | command_;
    const auto value = read_register(static_cast<u8>(number), now);
    return value ? std::optional<u64>{*value} : std::nullopt;
}

bool VirtualLocalApic::write_msr(u32 msr, u64 value, cpu::Tsc now) {
    if (msr == ApicBase::msr) {
        notify();
        return write_base(value);
    }
    const u32 number = msr - x2apic_msr_base;
    if (!is_x2apic() || number > 0x3f)
        return false;
    const Reg which = static_cast<Reg>(number);
    if (which == Reg::end_of_interrupt) { // the most frequent by far
        if (value == 0)
            end_interrupt();
        return value == 0;
    }
    if (!exists_in(which, true))
        return false;
    notify(); // any other may change priorities, masks or the timer
    const u32 low = static_cast<u32>(value);
    if (which == Reg::interrupt_command) {
        command_high_ = static_cast<u32>(value >> 32);
        write_command(low, command_high_);
        return true;
    }
    if (value >> 32 != 0)
        return false;
    switch (which) {
    case Reg::self_ipi:
        if ((low & ~self_ipi_mask) != 0)
            return false;
        if (low < first_legal_vector)
            report_error(ErrorStatus::SendIllegalVector::mask);
        else
            request(Vector{static_cast<u8>(low)});
        return true;
    case Reg::error_status:
        return low == 0 && write_register(static_cast<u8>(number), low, now);
    default:
        return write_register(static_cast<u8>(number), low, now);
    }
}

bool VirtualLocalApic::write_base(u64 value) {
    using Enable = ApicBase::Enable;
    using Extended = ApicBase::Extended;
    using BootProcessor = ApicBase::BootProcessor;
    // The page does not move, and reserved bits are zero.
    constexpr u64 modes = Enable::mask | Extended::mask | BootProcessor::mask;
    if ((value & ~modes) != ApicBase::address)
        return false;
    const bool enable = Enable::get(value);
    const bool extended = Extended::get(value);
    // The transitions that are none. [SDM vol3 figure 11-27]
    if (extended && (!enable || !Enable::get(base_)))
        return false;
    if (is_x2apic() && enable && !extended)
        return false;
    if (!enable)
        reset();
    base_ = (base_ & ~(Enable::mask | Extended::mask)) | (value & (Enable::mask | Extended::mask));
    return true;
}

} // namespace ravelin::hv::vlapic

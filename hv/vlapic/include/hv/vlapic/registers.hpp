// SPDX-License-Identifier: Apache-2.0
// The local APIC's registers, numbered as x2APIC MSRs less 800h, which is the xAPIC offset divided
// by 16. [SDM vol3 11.4.1 table 11-1, 11.12.1 table 11-6]
#pragma once

#include <base/bits.hpp>
#include <base/types.hpp>

namespace ravelin::hv::vlapic {

enum class Reg : u8 {
    id = 0x02,
    version = 0x03,
    task_priority = 0x08,
    arbitration_priority = 0x09, ///< xAPIC only, and of old; reads zero
    processor_priority = 0x0a,
    end_of_interrupt = 0x0b,
    remote_read = 0x0c,
    logical_destination = 0x0d,
    destination_format = 0x0e, ///< xAPIC only
    spurious_interrupt = 0x0f,
    in_service = 0x10,   ///< eight words
    trigger_mode = 0x18, ///< eight words
    request = 0x20,      ///< eight words
    error_status = 0x28,
    interrupt_command = 0x30,
    interrupt_command_high = 0x31, ///< xAPIC only
    lvt_timer = 0x32,
    lvt_thermal = 0x33,
    lvt_performance = 0x34,
    lvt_lint0 = 0x35,
    lvt_lint1 = 0x36,
    lvt_error = 0x37,
    initial_count = 0x38,
    current_count = 0x39,
    divide_configuration = 0x3e,
    self_ipi = 0x3f, ///< x2APIC only
};

/// Entries of the local vector table. [SDM vol3 11.5.1]
struct Lvt {
    using VectorField = BitField<u32, 7, 0, u8>;
    using Masked = BitFlag<u32, 16>;
    using Periodic = BitFlag<u32, 17>;
    static constexpr u32 reset = Masked::mask;
    static constexpr u32 count = 6;
};

/// [SDM vol3 11.9]
struct Spurious {
    using VectorField = BitField<u32, 7, 0, u8>;
    using Enable = BitFlag<u32, 8>;
    static constexpr u32 writable = 0x3ff;
    static constexpr u32 reset = 0xff;
};

/// [SDM vol3 11.5.3]
struct ErrorStatus {
    using SendIllegalVector = BitFlag<u32, 5>;
    using ReceivedIllegalVector = BitFlag<u32, 6>;
    using IllegalRegister = BitFlag<u32, 7>;
};

/// The low half of the interrupt command register. [SDM vol3 11.6.1]
enum class DeliveryMode : u8 {
    fixed,
    lowest_priority,
    system_management,
    reserved,
    non_maskable,
    init,
    start_up,
    external,
};
enum class DestinationMode : u8 { physical, logical };
enum class Shorthand : u8 { none, self, all_with_self, all_but_self };
struct Command {
    using VectorField = BitField<u32, 7, 0, u8>;
    using Mode = BitField<u32, 10, 8, DeliveryMode>;
    using Destination = BitField<u32, 11, 11, DestinationMode>;
    using Assert = BitFlag<u32, 14>;
    using Level = BitFlag<u32, 15>;
    using Target = BitField<u32, 19, 18, Shorthand>;
    static constexpr u32 writable = 0x000c'cfff; ///< bit 12, delivery status, reads idle
};

/// IA32_APIC_BASE. [SDM vol3 11.4.4, 11.12.1]
struct ApicBase {
    using BootProcessor = BitFlag<u64, 8>;
    using Extended = BitFlag<u64, 10>; ///< x2APIC mode
    using Enable = BitFlag<u64, 11>;
    static constexpr u64 address = 0xfee0'0000;
    static constexpr u32 msr = 0x1b;
};

constexpr u32 x2apic_msr_base = 0x800;
constexpr u32 version_value = 0x14 | (Lvt::count - 1) << 16;
constexpr u8 first_legal_vector = 16;

} // namespace ravelin::hv::vlapic

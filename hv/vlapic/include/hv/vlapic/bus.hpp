// SPDX-License-Identifier: Apache-2.0
// Who an interprocessor interrupt or a device's message is for. One bus a domain: it knows no other
// domain's APICs. Filled while the domain is built; read only afterwards, by any CPU.
#pragma once

#include <base/fixed_vector.hpp>
#include <hv/vlapic/vlapic.hpp>

namespace ravelin::hv::vlapic {

/// An interrupt on its way.
struct Message {
    DeliveryMode mode;
    DestinationMode destination_mode;
    Vector vector;
    u32 destination;
};

/// A device's message as the guest programmed it. [SDM vol3 11.11]
struct DeviceMessage {
    u64 address;
    u32 data;
};

/// What a device's message asks for, or nothing when it is not an interrupt this bus carries.
[[nodiscard]] std::optional<Message> decode(const DeviceMessage& message);

class ApicBus {
  public:
    constexpr ApicBus() = default;
    ApicBus(const ApicBus&) = delete;
    ApicBus& operator=(const ApicBus&) = delete;

    /// False when there is no more room.
    [[nodiscard]] bool add(VirtualLocalApic& apic) { return apics_.push_back(&apic); }

    /// Any CPU.
    void deliver(const Message& message);
    /// To all, or to all but `sender`. Any CPU.
    void broadcast(DeliveryMode mode, Vector vector, const VirtualLocalApic* except);
    /// The one APIC that a device's message goes to, for interrupt remapping: the first that
    /// matches.
    [[nodiscard]] VirtualLocalApic* target(const Message& message) const;

  private:
    static constexpr usize most = 16;
    static constexpr u32 broadcast_8 = 0xff;
    static constexpr u32 broadcast_32 = ~u32{0};
    [[nodiscard]] static bool matches(const VirtualLocalApic& apic, const Message& message);
    static void deliver_to(VirtualLocalApic& apic, DeliveryMode mode, Vector vector);

    FixedVector<VirtualLocalApic*, most> apics_{};
};

} // namespace ravelin::hv::vlapic

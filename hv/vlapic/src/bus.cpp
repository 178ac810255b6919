// SPDX-License-Identifier: Apache-2.0
#include <hv/vlapic/bus.hpp>

namespace ravelin::hv::vlapic {

namespace {

// A message's address and data. [SDM vol3 11.11.1, 11.11.2]
struct MessageAddress {
    using Window = BitField<u64, 63, 20>;
    using Destination = BitField<u64, 19, 12, u32>;
    using Mode = BitField<u64, 2, 2, DestinationMode>;
    static constexpr u64 interrupts = 0xfee;
};
struct MessageData {
    using VectorField = BitField<u32, 7, 0, u8>;
    using Mode = BitField<u32, 10, 8, DeliveryMode>;
};

} // namespace

std::optional<Message> decode(const DeviceMessage& message) {
    if (MessageAddress::Window::get(message.address) != MessageAddress::interrupts)
        return std::nullopt;
    const DeliveryMode mode = MessageData::Mode::get(message.data);
    const Vector vector{MessageData::VectorField::get(message.data)};
    if ((mode != DeliveryMode::fixed && mode != DeliveryMode::lowest_priority) ||
        vector.raw() < first_legal_vector)
        return std::nullopt;
    return Message{mode,
                   MessageAddress::Mode::get(message.address),
                   vector,
                   MessageAddress::Destination::get(message.address)};
}

bool ApicBus::matches(const VirtualLocalApic& apic, const Message& message) {
    if (message.destination_mode == DestinationMode::logical)
        return apic.matches_logical(message.destination);
    return message.destination == apic.id().raw() ||
           message.destination == (apic.is_x2apic() ? broadcast_32 : broadcast_8);
}

void ApicBus::deliver_to(VirtualLocalApic& apic, DeliveryMode mode, Vector vector) {
    switch (mode) {
    case DeliveryMode::fixed:
    case DeliveryMode::lowest_priority:
        return apic.raise(vector);
    case DeliveryMode::init:
        return apic.record({StartUp::Kind::init, Vector{}});
    case DeliveryMode::start_up:
        return apic.record({StartUp::Kind::start_up, vector});
    case DeliveryMode::system_management:
    case DeliveryMode::reserved:
    case DeliveryMode::non_maskable:
    case DeliveryMode::external:
        return; // not offered
    }
}

void ApicBus::deliver(const Message& message) {
    if (message.mode == DeliveryMode::lowest_priority) {
        if (VirtualLocalApic* const apic = target(message))
            deliver_to(*apic, message.mode, message.vector);
        return;
    }
    for (VirtualLocalApic* const apic : apics_)
        if (matches(*apic, message))
            deliver_to(*apic, message.mode, message.vector);
}

void ApicBus::broadcast(DeliveryMode mode, Vector vector, const VirtualLocalApic* except) {
    for (VirtualLocalApic* const apic : apics_)
        if (apic != except)
            deliver_to(*apic, mode, vector);
}

VirtualLocalApic* ApicBus::target(const Message& message) const {
    for (VirtualLocalApic* const apic : apics_)
        if (matches(*apic, message))
            return apic;
    return nullptr;
}

} // namespace ravelin::hv::vlapic

// SPDX-License-Identifier: Apache-2.0
// Vectors: which are requested, which are being served, and which may come next. [SDM vol3 11.8]
#include <hv/vlapic/bus.hpp>
#include <hv/vlapic/vlapic.hpp>

namespace ravelin::hv::vlapic {

namespace {

constexpr u8 priority_class = 0xf0;

} // namespace

std::optional<u8> VectorSet::highest() const {
    for (unsigned i = 4; i-- > 0;) {
        const u64 word = words_[i].load(std::memory_order_acquire);
        if (word != 0)
            return static_cast<u8>(i * 64 + 63u - static_cast<unsigned>(__builtin_clzll(word)));
    }
    return std::nullopt;
}

void VectorSet::reset() {
    for (auto& word : words_)
        word.store(0, std::memory_order_relaxed);
}

void VirtualLocalApic::initialise(ApicId id, BootRole role, ApicBus& bus) {
    ensure(bus_ == nullptr && bus.add(*this),
           "a local APIC joins one bus, once, while it has room");
    id_ = id;
    bus_ = &bus;
    if (role == BootRole::boot_processor)
        base_ = base_ | ApicBase::BootProcessor::mask;
}

u8 VirtualLocalApic::processor_priority() const {
    const u8 serving = in_service_.highest().value_or(0);
    if ((task_priority_ & priority_class) >= (serving & priority_class))
        return task_priority_;
    return serving & priority_class;
}

std::optional<Vector> VirtualLocalApic::pending_vector() const {
    if (requested_.is_empty()) [[likely]]
        return std::nullopt;
    const auto highest = requested_.highest();
    if (!highest || !is_enabled() ||
        (*highest & priority_class) <= (processor_priority() & priority_class))
        return std::nullopt;
    return Vector{*highest};
}

void VirtualLocalApic::accept(Vector vector) {
    requested_.clear(vector.raw());
    in_service_.set(vector.raw());
}

// A request is kept even while the APIC is not enabled, and delivered once it is: an event
// channel's upcall is an edge that nobody repeats.
void VirtualLocalApic::request(Vector vector) {
    if (vector.raw() < first_legal_vector) {
        errors_.fetch_or(ErrorStatus::ReceivedIllegalVector::mask, std::memory_order_relaxed);
        return;
    }
    requested_.set(vector.raw());
}

void VirtualLocalApic::end_interrupt() {
    if (const auto serving = in_service_.highest())
        in_service_.clear(*serving);
    if (!requested_.is_empty())
        notify(); // it may have been held back until now
}

void VirtualLocalApic::report_error(u32 error) {
    errors_.fetch_or(error, std::memory_order_relaxed);
    const u32 entry = lvt(Reg::lvt_error);
    // The entry's own vector may be illegal too; one report is enough.
    if (!Lvt::Masked::get(entry) && Lvt::VectorField::get(entry) >= first_legal_vector)
        request(Vector{Lvt::VectorField::get(entry)});
}

u32 VirtualLocalApic::logical_id() const {
    if (!is_x2apic())
        return logical_destination_;
    // Cluster in the upper half, one bit in the lower. [SDM vol3 11.12.10.2]
    return id_.raw() >> 4 << 16 | 1u << (id_.raw() & 15);
}

bool VirtualLocalApic::matches_logical(u32 destination) const {
    const u32 own = logical_id();
    if (is_x2apic())
        return destination == ~u32{0} ||
               (destination >> 16 == own >> 16 && (destination & own & 0xffff) != 0);
    const u32 own_8 = own >> 24;
    constexpr u32 flat = 0xf;
    if (destination_format_ >> 28 == flat)
        return (destination & own_8 & 0xff) != 0;
    // Cluster model: cluster in the upper nibble, members in the lower. [SDM vol3 11.6.2.2]
    return (destination & 0xf0) == (own_8 & 0xf0) && (destination & own_8 & 0xf) != 0;
}

void VirtualLocalApic::write_command(u32 low, u32 destination) {
    command_ = low & Command::writable;
    const DeliveryMode mode = Command::Mode::get(low);
    const Vector vector{Command::VectorField::get(low)};
    const bool carries_vector =
        mode == DeliveryMode::fixed || mode == DeliveryMode::lowest_priority;
    if (carries_vector && vector.raw() < first_legal_vector)
        return report_error(ErrorStatus::SendIllegalVector::mask);
    // INIT level de-assert is for processors older than any this runs on. [SDM vol3 11.6.1]
    if (mode == DeliveryMode::init && Command::Level::get(low) && !Command::Assert::get(low))
        return;
    switch (Command::Target::get(low)) {
    case Shorthand::self:
        if (carries_vector)
            request(vector);
        return;
    case Shorthand::all_with_self:
    case Shorthand::all_but_self: {
        const bool with_self = Command::Target::get(low) == Shorthand::all_with_self;
        bus_->broadcast(mode, vector, with_self && carries_vector ? nullptr : this);
        return;
    }
    case Shorthand::none:
        bus_->deliver({mode, Command::Destination::get(low), vector, destination});
    }
}

void VirtualLocalApic::expire(cpu::Tsc now) {
    if (!timer_.expire(timer_mode(), now))
        return;
    const u32 entry = lvt(Reg::lvt_timer);
    if (!Lvt::Masked::get(entry))
        request(Vector{Lvt::VectorField::get(entry)});
}

void VirtualLocalApic::reset() {
    requested_.reset();
    in_service_.reset();
    errors_.store(0, std::memory_order_relaxed);
    error_status_ = 0;
    task_priority_ = 0;
    spurious_ = Spurious::reset;
    logical_destination_ = 0;
    destination_format_ = ~u32{0};
    command_ = 0;
    command_high_ = 0;
    lvt_.fill(Lvt::reset);
    timer_ = Timer{};
}

} // namespace ravelin::hv::vlapic

// SPDX-License-Identifier: Apache-2.0
// A guest's local APIC in software, in xAPIC and x2APIC mode. Belongs to the physical CPU that runs
// its vCPU; members that other CPUs may call say so. [SDM vol3 11]
#pragma once

#include <hv/cpu/local_apic.hpp>
#include <hv/vlapic/registers.hpp>
#include <hv/vlapic/timer.hpp>

#include <array>
#include <atomic>
#include <optional>

namespace ravelin::hv::vlapic {

class ApicBus;

/// A set of vectors. Bits may be set by any CPU.
class VectorSet {
  public:
    void set(u8 vector) {
        words_[vector >> 6].fetch_or(u64{1} << (vector & 63), std::memory_order_release);
    }
    void clear(u8 vector) {
        words_[vector >> 6].fetch_and(~(u64{1} << (vector & 63)), std::memory_order_relaxed);
    }
    [[nodiscard]] bool contains(u8 vector) const {
        return (words_[vector >> 6].load(std::memory_order_relaxed) >> (vector & 63) & 1) != 0;
    }
    [[nodiscard]] std::optional<u8> highest() const;
    [[nodiscard]] bool is_empty() const {
        constexpr auto order = std::memory_order_acquire;
        return (words_[0].load(order) | words_[1].load(order) | words_[2].load(order) |
                words_[3].load(order)) == 0;
    }
    /// 32 of its bits, as the registers show them.
    [[nodiscard]] u32 word(unsigned index) const {
        return static_cast<u32>(words_[index / 2].load(std::memory_order_relaxed) >>
                                (index % 2 * 32));
    }
    void reset();

  private:
    std::array<std::atomic<u64>, 4> words_{};
};

/// A register that its own CPU writes and senders on other CPUs read: a plain value, never torn.
/// What a sender sees while the guest changes it is the old value or the new one, as on a bus.
template <typename T> class SharedRegister {
  public:
    constexpr explicit SharedRegister(T value) : value_{value} {}
    operator T() const { return value_.load(std::memory_order_relaxed); }
    void operator=(T value) { value_.store(value, std::memory_order_relaxed); }

  private:
    std::atomic<T> value_;
};

using cpu::StartUp;

enum class BootRole : u8 { boot_processor, application_processor };

class VirtualLocalApic final : public cpu::LocalApic {
  public:
    constexpr VirtualLocalApic() = default;
    VirtualLocalApic(const VirtualLocalApic&) = delete;
    VirtualLocalApic& operator=(const VirtualLocalApic&) = delete;

    /// Gives it its identity and joins it to its domain's bus, which outlives it. Once, before
    /// anything else.
    void initialise(ApicId id, BootRole role, ApicBus& bus);

    [[nodiscard]] ApicId id() const { return id_; }
    [[nodiscard]] bool is_x2apic() const { return ApicBase::Extended::get(base_); }
    /// Whether the guest turned it on (IA32_APIC_BASE and the spurious-vector register).
    [[nodiscard]] bool is_enabled() const {
        return ApicBase::Enable::get(base_) && Spurious::Enable::get(spurious_);
    }
    /// Whether a logical destination names this APIC. [SDM vol3 11.6.2.2, 11.12.10.2]
    [[nodiscard]] bool matches_logical(u32 destination) const;
    /// The priority that lowest-priority delivery compares.
    [[nodiscard]] u8 processor_priority() const;

    void reset() override;

    void request(Vector vector) override;
    [[nodiscard]] std::optional<Vector> pending_vector() const override;
    void accept(Vector vector) override;
    [[nodiscard]] u8 task_priority() const override { return task_priority_ >> 4; }
    void set_task_priority(u8 cr8) override { task_priority_ = static_cast<u8>(cr8 << 4); }
    [[nodiscard]] u32 read(u32 offset, cpu::Tsc now) override;
    void write(u32 offset, u32 value, cpu::Tsc now) override;
    [[nodiscard]] std::optional<u64> read_msr(u32 msr, cpu::Tsc now) override;
    [[nodiscard]] bool write_msr(u32 msr, u64 value, cpu::Tsc now) override;
    [[nodiscard]] std::optional<cpu::Tsc> deadline() const override { return timer_.deadline(); }
    void expire(cpu::Tsc now) override;

  private:
    [[nodiscard]] std::optional<u32> read_register(u8 number, cpu::Tsc now) const;
    [[nodiscard]] bool write_register(u8 number, u32 value, cpu::Tsc now);
    void write_lvt(unsigned index, u32 value);
    [[nodiscard]] bool write_base(u64 value);
    void write_command(u32 low, u32 destination);
    void end_interrupt();
    void report_error(u32 error);
    [[nodiscard]] u32& lvt(Reg which) { return lvt_[lvt_index(which)]; }
    [[nodiscard]] static constexpr unsigned lvt_index(Reg which) {
        return static_cast<unsigned>(which) - static_cast<unsigned>(Reg::lvt_timer);
    }
    [[nodiscard]] TimerMode timer_mode() const {
        return Lvt::Periodic::get(lvt_[0]) ? TimerMode::periodic : TimerMode::one_shot;
    }
    [[nodiscard]] u32 logical_id() const;

    ApicId id_{};
    ApicBus* bus_{};
    SharedRegister<u64> base_{ApicBase::address | ApicBase::Enable::mask};
    VectorSet requested_{};
    VectorSet in_service_{};
    std::atomic<u32> errors_{0}; ///< since the guest last wrote the error status
    u32 error_status_{};
    u8 task_priority_{};
    u32 spurious_{Spurious::reset};
    SharedRegister<u32> logical_destination_{0};
    SharedRegister<u32> destination_format_{~u32{0}};
    u32 command_{};
    u32 command_high_{};
    std::array<u32, Lvt::count> lvt_{
        Lvt::reset, Lvt::reset, Lvt::reset, Lvt::reset, Lvt::reset, Lvt::reset};
    Timer timer_{};
};

} // namespace ravelin::hv::vlapic

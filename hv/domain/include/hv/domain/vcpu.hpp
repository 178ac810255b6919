// SPDX-License-Identifier: Apache-2.0
// A virtual CPU of a domain: its registers, the back end that runs it, its local APIC, its timer
// deadline, and the copy functions a hypercall uses. Used on the physical CPU that runs it, except
// where a member says "any CPU".
#pragma once

#include <hv/cpu/local_apic.hpp>
#include <hv/cpu/virtual_cpu.hpp>
#include <hv/domain/domain.hpp>
#include <hv/guest/walk.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <optional>
#include <span>
#include <utility>

namespace ravelin::hv::abi {
struct VcpuState; // vcpu_info, run-state area, pvclock: hv/abi's
}

namespace ravelin::hv::domain {

class Vcpu;

/// Who gives a vCPU a physical CPU again, or makes the one it has look. Any CPU; takes no lock but
/// the scheduler's.
class Waker {
  public:
    virtual void wake() = 0;

  protected:
    ~Waker() = default;
};

/// What the vCPU does when it is given a CPU. Its own CPU's.
enum class Activity : u8 {
    active,
    halted,            ///< HLT: until an interrupt can be delivered
    halted_for_good,   ///< HLT with interrupts disabled: until INIT
    awaiting_start_up, ///< after INIT: until a start-up IPI
};

/// In the guest ABI's order. [xen/vcpu.h RUNSTATE_*]
enum class RunState : u8 { running, runnable, blocked, offline };

/// Ticks spent in each state, up to the last change.
struct RunAccount {
    RunState state{RunState::offline};
    cpu::Tsc since{};
    std::array<u64, 4> ticks{};
};

/// What the guest asked to do with the rest of its turn.
enum class Rest : u8 { none, yield, block };

class Vcpu final : public cpu::Attention {
  public:
    Vcpu(Domain& domain,
         VcpuId id,
         cpu::VirtualCpu& cpu,
         cpu::LocalApic& lapic,
         Waker* waker = nullptr);
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;

    [[nodiscard]] Domain& domain() const { return domain_; }
    [[nodiscard]] VcpuId id() const { return id_; }
    [[nodiscard]] cpu::VirtualCpu& cpu() const { return cpu_; }
    [[nodiscard]] cpu::LocalApic& lapic() const { return lapic_; }
    [[nodiscard]] cpu::GeneralRegisters& registers() { return registers_; }

    /// hv/abi's state; set once by hv/abi.
    [[nodiscard]] abi::VcpuState* abi_state() const { return abi_state_; }
    void set_abi_state(abi::VcpuState* state) { abi_state_ = state; }

    /// An upcall vector to inject once, past the local APIC (HVM_PARAM_CALLBACK_IRQ of type
    /// vector). Per-vCPU upcall vectors go through lapic() instead, because they want an EOI. Any
    /// CPU.
    void raise_upcall(Vector vector) {
        set_upcall(vector);
        request_attention();
    }
    /// The same for who looks anyway.
    void set_upcall(Vector vector) { upcall_.store(vector.raw(), std::memory_order_release); }
    [[nodiscard]] std::optional<Vector> pending_upcall() const {
        const u16 vector = upcall_.load(std::memory_order_acquire);
        return vector == 0 ? std::nullopt : std::optional{Vector{static_cast<u8>(vector)}};
    }
    void clear_upcall() { upcall_.store(0, std::memory_order_relaxed); }

    /// Makes the run loop call GuestAbi::deliver_events() before the next entry, and leave HLT if
    /// that makes an interrupt. Any CPU.
    void request_event_check() {
        event_check_.store(true, std::memory_order_release);
        request(events);
    }
    [[nodiscard]] bool take_event_check() {
        return event_check_.load(std::memory_order_relaxed) &&
               event_check_.exchange(false, std::memory_order_acquire);
    }

    /// The guest ABI's single-shot timer, as a host TSC; none when not set.
    [[nodiscard]] std::optional<cpu::Tsc> timer_deadline() const { return deadline_; }
    void set_timer_deadline(std::optional<cpu::Tsc> deadline) {
        deadline_ = deadline;
        attention_.fetch_or(timers, std::memory_order_relaxed);
    }
    /// When it stops polling; a sleep that ends otherwise forgets it.
    void set_poll_deadline(std::optional<cpu::Tsc> deadline) { poll_deadline_ = deadline; }
    /// The earliest of these and its local APIC's.
    [[nodiscard]] std::optional<cpu::Tsc> next_deadline() const;

    /// Makes the run loop look at interrupts, timers, pause and stop before it enters the guest
    /// again: wakes a vCPU that sleeps, and gets one that runs out of its guest. Any CPU.
    void request_attention() override { request(look); }
    /// Makes the next entry drop cached translations; wakes nobody. Any CPU.
    void request_flush() { attention_.fetch_or(flush); }
    /// Whether a vCPU that sleeps has to be woken.
    [[nodiscard]] bool must_look() const { return (attention_.load() & ~flush) != 0; }
    /// Whether anything stands between the run loop and the guest.
    [[nodiscard]] bool has_attention() const { return attention_.load() != 0; }
    /// The run loop's: what it does next covers all that was asked for. A vCPU that its exit left
    /// active needs no more than is named here; `look` is for everything.
    static constexpr u8 look = 1;
    static constexpr u8 flush = 2;
    static constexpr u8 timers = 4; ///< the guest ABI's deadline is another one
    static constexpr u8 events = 8; ///< request_event_check()
    static constexpr u8 everything = look | flush | timers | events;
    [[nodiscard]] u8 asked() const { return attention_.load(std::memory_order_relaxed); }
    [[nodiscard]] u8 take_attention(u8 what = everything) {
        return (asked() & what) != 0 ? attention_.fetch_and(static_cast<u8>(~what)) : u8{0};
    }

    [[nodiscard]] Activity activity() const { return activity_.load(std::memory_order_relaxed); }
    /// Its own CPU, or before it runs.
    void set_activity(Activity activity) {
        activity_.store(activity, std::memory_order_relaxed);
        for_good_.store(activity >= Activity::halted_for_good);
    }
    /// Until it says for good again, it may be woken; before attention is taken. Its own CPU.
    void stir() {
        if (for_good_.load(std::memory_order_relaxed))
            for_good_.store(false);
    }
    /// Whether nothing but an INIT or start-up IPI can make it run again, and none came. Any CPU.
    [[nodiscard]] bool rests_for_good() const { return for_good_.load() && !must_look(); }

    /// What a hypercall asks for; acted on before the guest is entered again. Its own CPU.
    void rest(Rest rest) {
        rest_ = rest;
        attention_.fetch_or(look, std::memory_order_relaxed);
    }
    [[nodiscard]] Rest take_rest() { return std::exchange(rest_, Rest::none); }

    /// Whether a physical CPU has it, its registers in that CPU. Any CPU.
    [[nodiscard]] bool is_on_cpu() const { return on_cpu_.load(std::memory_order_acquire); }
    void set_on_cpu(bool on_cpu) { on_cpu_.store(on_cpu, std::memory_order_release); }

    /// The run loop's, around each entry. Between them the CPU may use translations it has cached;
    /// attention is looked at behind entering_guest().
    void entering_guest() { entries_.exchange(entries_.load(std::memory_order_relaxed) + 1); }
    void left_guest() {
        entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
    /// Odd while it is in the guest, and never the same for two entries. Any CPU.
    [[nodiscard]] u32 entries() const { return entries_.load(); }

    /// Where its time goes. Written by whoever schedules it, under the scheduler's lock; read on
    /// its own CPU while it runs.
    [[nodiscard]] const RunAccount& account() const { return account_; }
    void account_for(RunState next, cpu::Tsc now);

    /// Makes the hypercall in progress be executed again when the guest runs: RIP stays on the
    /// instruction and RAX as it was. For the parts of a long one; the guest takes interrupts in
    /// between.
    void repeat_hypercall() { repeat_ = true; }
    [[nodiscard]] bool take_repeat() { return repeat_ && std::exchange(repeat_, false); }

    /// Copies in from the guest's virtual address space, with the rights its current privilege has.
    /// Copy once, decode the copy.
    [[nodiscard]] Status<guest::CopyError> copy_in(GuestVirtual from, std::span<u8> destination);
    [[nodiscard]] Status<guest::CopyError> copy_out(GuestVirtual to, std::span<const u8> source);
    /// The bytes from an address to the end of its page that the guest may read and write, looked
    /// up once for many small accesses. Valid until the hypercall ends: nobody else gets the frame
    /// before this vCPU has let go of it (Grace). The guest writes there too: copy, then decode.
    [[nodiscard]] Result<std::span<u8>, guest::CopyError> window(GuestVirtual at);
    /// copy_in of one trivially copyable value.
    template <typename T>
    [[nodiscard]] Result<T, guest::CopyError> copy_in_value(GuestVirtual from) {
        static_assert(std::is_trivially_copyable_v<T>);
        std::array<u8, sizeof(T)> raw{};
        (void)RAVELIN_TRY(copy_in(from, raw));
        return std::bit_cast<T>(raw);
    }
    template <typename T>
    [[nodiscard]] Status<guest::CopyError> copy_out_value(GuestVirtual to, const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        return copy_out(to, std::bit_cast<std::array<u8, sizeof(T)>>(value));
    }

  private:
    [[nodiscard]] u8*
    reach(const cpu::PagingState& paging, GuestVirtual at, usize size, guest::Purpose why);
    void request(u8 what) {
        // Sequentially consistent on both sides: either the sleeper sees this or we see it asleep.
        if ((attention_.fetch_or(what) & what) == 0 && waker_ != nullptr)
            waker_->wake();
    }

    Domain& domain_;
    VcpuId id_;
    cpu::VirtualCpu& cpu_;
    cpu::LocalApic& lapic_;
    guest::RecentWalks recent_;
    cpu::GeneralRegisters registers_{};
    abi::VcpuState* abi_state_{};
    std::atomic<u16> upcall_{0};
    std::atomic<bool> event_check_{false};
    std::atomic<u8> attention_{0}; ///< look, flush, timers, events
    std::atomic<bool> for_good_{false};
    std::atomic<bool> on_cpu_{false};
    std::atomic<u32> entries_{0};
    Waker* waker_;
    std::atomic<Activity> activity_{Activity::active};
    RunAccount account_;
    Rest rest_{Rest::none};
    std::optional<cpu::Tsc> deadline_;
    std::optional<cpu::Tsc> poll_deadline_;
    bool repeat_{false};
};

} // namespace ravelin::hv::domain

// SPDX-License-Identifier: Apache-2.0
// A guest's local APIC as the run loop sees it, whether hv/vlapic emulates all of it or a CPU with
// APIC virtualisation some. [SDM vol3 11] [AMD APM vol2 16]. Time is a parameter: the host's TSC.
#pragma once

#include <hv/cpu/registers.hpp>

#include <atomic>
#include <optional>

namespace ravelin::hv::cpu {

/// INIT or a start-up IPI that reached a vCPU.
struct StartUp {
    enum class Kind : u8 { init, start_up } kind;
    Vector page; ///< of start_up: real mode begins at page * 4096
};

/// Who is told that a vCPU has something new to look at. Any CPU.
class Attention {
  public:
    virtual void request_attention() = 0;

  protected:
    ~Attention() = default;
};

class LocalApic {
  public:
    /// Before any other CPU may call raise(); the vCPU's constructor does it.
    void set_listener(Attention& listener) { listener_ = &listener; }
    /// The highest requested vector that outranks the processor priority.
    [[nodiscard]] virtual std::optional<Vector> pending_vector() const = 0;
    /// Moves that vector from requested to in service; it is being injected.
    virtual void accept(Vector vector) = 0;
    /// Sets the request bit of a vector (an edge) and tells nobody. Any CPU.
    virtual void request(Vector vector) = 0;
    /// Requests a vector and tells the listener. Any CPU.
    void raise(Vector vector) {
        request(vector);
        notify();
    }

    /// CR8 is the upper half of the task priority register.
    [[nodiscard]] virtual u8 task_priority() const = 0;
    virtual void set_task_priority(u8 cr8) = 0;

    /// A 32-bit access to the xAPIC page; offset is a multiple of 16. All ones when not enabled in
    /// that mode.
    [[nodiscard]] virtual u32 read(u32 offset, Tsc now) = 0;
    virtual void write(u32 offset, u32 value, Tsc now) = 0;
    /// MSRs 1Bh and 800h-8FFh; nullopt or false mean #GP. A write tells the listener when there may
    /// be another interrupt to deliver, or another deadline.
    [[nodiscard]] virtual std::optional<u64> read_msr(u32 msr, Tsc now) = 0;
    [[nodiscard]] virtual bool write_msr(u32 msr, u64 value, Tsc now) = 0;

    /// When the timer fires next; expire() is called then or later.
    [[nodiscard]] virtual std::optional<Tsc> deadline() const = 0;
    virtual void expire(Tsc now) = 0;

    /// Records an INIT or start-up IPI and tells the listener. Any CPU.
    void record(const StartUp& event) {
        if (event.kind == StartUp::Kind::init) {
            start_up_.store(init_event, std::memory_order_release);
        } else {
            // Of two that nobody acted on the first counts.
            u32 events = start_up_.load(std::memory_order_relaxed);
            while ((events & start_up_event) == 0 &&
                   !start_up_.compare_exchange_weak(events,
                                                    events | start_up_event | event.page.raw(),
                                                    std::memory_order_release,
                                                    std::memory_order_relaxed))
                ;
        }
        notify();
    }
    /// The oldest INIT or start-up IPI that nobody acted on; INIT comes before a later start-up.
    [[nodiscard]] std::optional<StartUp> take_start_up() {
        u32 events = start_up_.load(std::memory_order_acquire);
        for (;;) {
            const bool init = (events & init_event) != 0;
            if (!init && (events & start_up_event) == 0)
                return std::nullopt;
            // An INIT that comes meanwhile is not lost.
            if (!start_up_.compare_exchange_weak(
                    events, init ? events & ~init_event : 0, std::memory_order_acquire))
                continue;
            return init ? StartUp{StartUp::Kind::init, Vector{}}
                        : StartUp{StartUp::Kind::start_up, Vector{static_cast<u8>(events)}};
        }
    }
    /// What INIT does to it: everything but its identity and mode returns to reset values.
    virtual void reset() = 0;

  protected:
    ~LocalApic() = default;
    void notify() {
        if (listener_ != nullptr)
            listener_->request_attention();
    }

  private:
    static constexpr u32 init_event = 1u << 8;
    static constexpr u32 start_up_event = 1u << 9; ///< its page is in bits 7:0
    Attention* listener_{};
    std::atomic<u32> start_up_{0};
};

} // namespace ravelin::hv::cpu

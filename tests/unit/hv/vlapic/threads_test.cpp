// SPDX-License-Identifier: Apache-2.0
// Two local APICs, each driven by its own CPU while the other and a device send to it. Nothing that
// was sent is lost. Run under ThreadSanitizer by `cmake --preset tsan`.
#include "apic_fixture.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace ravelin::hv::vlapic {
namespace {

constexpr Vector from_device{0x51};
constexpr Vector from_other{0x61};
constexpr unsigned rounds = 2'000;
constexpr std::chrono::seconds longest{20};

struct Nobody final : cpu::Attention {
    void request_attention() override {}
};

/// What an APIC's own CPU saw.
struct Seen {
    std::atomic<unsigned> from_device{0};
    std::atomic<unsigned> from_other{0};
    std::atomic<unsigned> inits{0};
};

class ApicThreads : public TwoApics {
  protected:
    ApicThreads() {
        first.set_listener(nobody);
        second.set_listener(nobody);
        enable_xapic(first);
        enable_xapic(second);
    }
    /// One look of its own CPU at what came, and the register writes a guest makes meanwhile.
    void turn(VirtualLocalApic& apic, Seen& seen, u32 logical) {
        apic.write(offset(Reg::logical_destination), logical << 24, now);
        apic.write(offset(Reg::destination_format), logical << 28, now);
        while (const auto vector = apic.pending_vector()) {
            apic.accept(*vector);
            ++(*vector == from_device ? seen.from_device : seen.from_other);
            apic.write(offset(Reg::end_of_interrupt), 0, now);
        }
        while (const auto event = apic.take_start_up())
            if (event->kind == StartUp::Kind::init)
                ++seen.inits;
    }
    /// Until `done`, or far too long.
    template <typename F> static bool wait(F&& done) {
        const auto end = std::chrono::steady_clock::now() + longest;
        while (!done()) {
            if (std::chrono::steady_clock::now() > end)
                return false;
            std::this_thread::yield();
        }
        return true;
    }

    Nobody nobody;
    std::atomic<bool> done{false};
};

TEST_F(ApicThreads, LoseNoInterruptAndNoInit) {
    Seen by_first;
    Seen by_second;
    std::thread first_cpu{[&] {
        for (u32 i = 0; !done; ++i) {
            turn(first, by_first, i & 0xff);
            std::this_thread::yield();
        }
    }};
    // Start-up IPIs rain on the first, none of which may hide an INIT.
    std::thread second_cpu{[&] {
        for (u32 i = 0; !done; ++i) {
            turn(second, by_second, 0x10);
            second.write(offset(Reg::interrupt_command_high), 0, now);
            second.write(offset(Reg::interrupt_command), 0x600 | (i & 0xff), now);
            second.write(offset(Reg::interrupt_command), from_other.raw(), now);
            std::this_thread::yield();
        }
    }};
    bool all = true;
    for (unsigned i = 0; i < rounds && all; ++i) {
        const unsigned vectors = by_first.from_device;
        const unsigned inits = by_first.inits;
        bus.deliver({DeliveryMode::fixed, DestinationMode::physical, from_device, 0});
        bus.deliver({DeliveryMode::init, DestinationMode::physical, Vector{}, 0});
        bus.deliver({DeliveryMode::fixed, DestinationMode::logical, from_other, 0x10});
        all = wait([&] { return by_first.from_device > vectors && by_first.inits > inits; });
    }
    EXPECT_TRUE(all) << "lost: " << by_first.from_device << " interrupts and " << by_first.inits
                     << " INITs came";
    done = true;
    first_cpu.join();
    second_cpu.join();
    EXPECT_GT(by_first.from_other, 0u);
}

} // namespace
} // namespace ravelin::hv::vlapic

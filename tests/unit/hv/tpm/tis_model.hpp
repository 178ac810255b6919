// SPDX-License-Identifier: Apache-2.0
// The device side of the FIFO interface, as PTP's tables describe it, in front of any executor of
// commands; it gates localities as a chipset does and can fail at the Nth register access.
#pragma once

#include <hv/tpm/platform.hpp>
#include <hv/tpm/tis_registers.hpp>

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace ravelin::hv::tpm::test {

/// Time passes a microsecond a look.
class FakeClock final : public Clock {
  public:
    u64 microseconds() override { return now += step; }
    void relax() override {}
    u64 now = 0;
    u64 step = 100;
};

class TisModel final : public RegisterSpace {
  public:
    using Executor = std::function<std::vector<u8>(std::span<const u8> command, u8 locality)>;
    explicit TisModel(Executor executor) : executor_{std::move(executor)} {}

    u8 read8(u32 offset) override;
    u32 read32(u32 offset) override;
    void write8(u32 offset, u8 value) override;
    void write32(u32 offset, u32 value) override;

    enum class Fault {
        none,
        once_ones,   ///< that read gives all ones, that write is lost
        stuck_ones,  ///< from then on nothing answers
        stuck_zeros, ///< from then on everything reads zero
        seized,      ///< another locality takes the TPM
        frozen,      ///< status never changes again
    };
    void fail_at(u64 access, Fault fault) { fault_at_ = access, fault_ = fault; }
    [[nodiscard]] u64 accesses() const { return accesses_; }

    u16 burst = 32;
    unsigned latency = 2; ///< status reads until a response is there
    bool never_completes = false;
    bool family_12 = false;
    bool ignores_cancel = false;
    u8 gated = 0;             ///< localities with their bit set here answer all ones
    std::optional<u8> holder; ///< the active locality

  private:
    enum class State { idle, ready, reception, execution, completion };
    [[nodiscard]] bool faulty();
    [[nodiscard]] bool dead() const;
    [[nodiscard]] u32 status();
    void access_write(u8 locality, u8 value);
    void status_write(u32 value);
    void fifo_write(u8 value);
    u8 fifo_read();

    Executor executor_;
    State state_ = State::idle;
    std::array<bool, 5> waiting_{};
    std::vector<u8> command_;
    std::vector<u8> response_;
    usize read_at_ = 0;
    unsigned looks_ = 0;
    bool cancelled_ = false;
    u64 accesses_ = 0;
    u64 fault_at_ = ~u64{0};
    Fault fault_ = Fault::none;
    u32 frozen_status_ = 0;
};

} // namespace ravelin::hv::tpm::test

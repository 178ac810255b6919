// SPDX-License-Identifier: Apache-2.0
// What the launched side writes into tboot's shared page: waking its waiting processors, and how
// the machine is to end.
#pragma once

#include <wire/tboot_shared.hpp>

namespace ravelin::tboot {

/// How soft-off is requested: PM1 control registers, I/O ports, and what is written to them. A port
/// of 0 does not exist. [ACPI 6.4 4.8.3.2]
struct SleepRequest {
    u16 pm1a_port{};
    u16 pm1a_value{};
    u16 pm1b_port{};
    u16 pm1b_value{};
};

/// The page in memory, write-back, for as long as the machine runs. Written by the boot CPU only;
/// tboot's processors read the trigger while they wait.
class SharedPage {
  public:
    explicit SharedPage(std::span<u8, wire::tboot::Shared::size> page) : page_{page} {}

    /// Wakes one processor that waits in MWAIT; it starts at `entry` in real mode, CS its page.
    /// `entry` is a page below 1 MiB.
    void wake(ApicId processor, HostPhysical entry);
    /// How many processors still wait.
    [[nodiscard]] u32 waiting() const;
    /// Says how to end; afterwards the shutdown entry is called.
    void request_end(wire::tboot::ShutdownType type, const SleepRequest& sleep);

  private:
    void store(usize at, u32 value);
    void store_half(usize at, u16 value);
    void store_port(usize at, u16 port);

    std::span<u8, wire::tboot::Shared::size> page_;
};

} // namespace ravelin::tboot

// SPDX-License-Identifier: Apache-2.0
// What the micro-tests share: a serial port, frames, and a guest of a few pages whose program is
// assembled in guests.S.
#pragma once

#include <hv/stage2/page_table.hpp>
#include <hv/vmx/virtual_cpu.hpp>

#include <span>
#include <string_view>
#include <variant>

namespace ravelin::hv::micro {

void print(std::string_view text);
void print_hex(u64 value);
/// Ends the emulator with the program's verdict.
[[noreturn]] void finish(bool passed);
/// Goes on, or ends it.
void expect(bool holds, std::string_view what);
void expect_equal(u64 found, u64 wanted, std::string_view what);

/// Frames from 4 MiB on; identity-mapped.
class LowMemory final : public TableMemory {
  public:
    Result<HostFrame, TableMemoryError> allocate() override;
    void release(HostFrame) override {}
    TablePage page(HostFrame frame) override;
    [[nodiscard]] HostFrame frame();

  private:
    static constexpr u64 last_ = 0x1000; // 16 MiB
    u64 next_ = 0x400;
};

template <typename T> T expect_exit(const cpu::Exit& exit, std::string_view what) {
    const T* found = std::get_if<T>(&exit);
    if (found == nullptr) {
        print("exit of kind ");
        print_hex(exit.index());
        if (const auto* failed = std::get_if<cpu::FailedExit>(&exit)) {
            print(" raw ");
            print_hex(failed->raw);
            if (failed->why != nullptr)
                print(failed->why);
        }
        print("\n");
    }
    expect(found != nullptr, what);
    return *found;
}

/// A guest with 64 KiB of memory at 0, program at 1000h, but for the pages it is made without.
class Guest {
  public:
    static constexpr u64 program_at = 0x1000;
    static constexpr u64 pages = 16;

    Guest(vmx::Host& host, LowMemory& memory, std::span<const u8> program, u64 hole = ~u64{0});

    [[nodiscard]] cpu::Exit run() { return cpu.run(registers); }
    /// Runs to the next VMCALL and behind it; its number is in EBX.
    void expect_mark(u64 mark, std::string_view what);
    /// The host's view of a word of the guest's memory.
    [[nodiscard]] u64& word(u64 address);
    [[nodiscard]] HostFrame frame_of(u64 guest) const;
    void map(u64 guest, HostFrame frame, Access access);
    void unmap(u64 guest);
    void protect(u64 guest, Access access);

    cpu::GeneralRegisters registers{};
    stage2::PageTable table;
    vmx::VirtualCpu cpu;

  private:
    HostFrame first_{};
};

/// Made in a frame, because it is never destroyed.
[[nodiscard]] Guest&
make_guest(vmx::Host& host, LowMemory& memory, std::span<const u8> program, u64 hole = ~u64{0});

/// The test itself.
void run(vmx::Host& host, LowMemory& memory);
extern const char* const name;

} // namespace ravelin::hv::micro

/// A guest's program of guests.S.
#define RAVELIN_GUEST_PROGRAM(label)                                                               \
    extern "C" const ravelin::u8 label[];                                                          \
    extern "C" const ravelin::u8 label##_end[];                                                    \
    namespace {                                                                                    \
    inline std::span<const ravelin::u8> label##_program() {                                        \
        return {label, label##_end};                                                               \
    }                                                                                              \
    }

// SPDX-License-Identifier: Apache-2.0
// The model's hold on the processors: a client of QEMU's gdbstub. The machine is stopped between
// wait_for_stop() and resume(); everything else is for that time. Used by one thread.
#pragma once

#include "tools/txt/packet.hpp"

#include <tools/server/file_descriptor.hpp>

#include <chrono>
#include <filesystem>

namespace ravelin::tools::txt {

/// In the order of QEMU's i386-64bit.xml (7.2); 32-bit code sees the low halves.
enum class Register : unsigned {
    rax,
    rbx,
    rcx,
    rdx,
    rsi,
    rdi,
    rbp,
    rsp,
    rip = 16,
    rflags = 17,
    cs = 18,
    cr0 = 27,
    cr3 = 29,
    cr4 = 30,
};

struct Registers {
    u32 eax, ebx, ecx, edx, esi, edi, ebp, esp;
    u64 rip;
    u32 rflags;
    u16 cs;
    u64 cr0, cr3, cr4, efer;
    /// General register by its number in an instruction.
    [[nodiscard]] u32 general(unsigned number) const;
};
/// Its name for the debugger, by its number in an instruction.
[[nodiscard]] Register general_register(unsigned number);

/// Connects to a unix socket that somebody is about to make.
[[nodiscard]] FileDescriptor connect_to(const std::filesystem::path& socket,
                                        std::chrono::milliseconds timeout);

class Debugger {
  public:
    /// `socket` leads to a gdbstub whose machine is stopped.
    explicit Debugger(FileDescriptor socket);

    void resume();
    /// Runs one instruction of one processor, all others standing still.
    void step(unsigned processor);
    /// The next stop; none when `timeout` passed and the machine runs. ServerError when it is gone.
    [[nodiscard]] std::optional<StopReply> wait_for_stop(std::chrono::milliseconds timeout);
    /// Stops a running machine; the stop then comes like any other.
    void interrupt();

    void select(unsigned processor);
    [[nodiscard]] Registers registers();
    void set(Register which, u64 value);

    void set_breakpoint(u64 address);
    void clear_breakpoint(u64 address);
    void set_watchpoint(u64 address);
    void clear_watchpoint(u64 address);

    /// Physical addresses, devices included.
    [[nodiscard]] std::vector<u8> read_physical(u64 address, std::size_t size);
    void write_physical(u64 address, std::span<const u8> bytes);

  private:
    void send(std::string_view body);
    [[nodiscard]] std::optional<std::string> receive(std::chrono::milliseconds timeout);
    std::string command(const std::string& body);
    void expect_ok(const std::string& body);

    FileDescriptor socket_;
    PacketReader reader_;
};

} // namespace ravelin::tools::txt

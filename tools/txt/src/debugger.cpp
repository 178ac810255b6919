// SPDX-License-Identifier: Apache-2.0
// See the header. Packets are acknowledged, because QEMU 7.2 offers no other mode.
#include "tools/txt/debugger.hpp"

#include <base/cursor.hpp>
#include <tools/server/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace ravelin::tools::txt {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds reply_limit = 60s; // a busy host starves QEMU

std::string number_bytes(u64 value) {
    std::array<u8, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<u8>(value >> (8 * i));
    return to_hex(bytes);
}

/// The first registers of a "g" packet.
Result<Registers, CursorError> decode_registers(std::span<const u8> bytes) {
    LittleReader reader{bytes};
    std::array<u64, 17> general{};
    for (u64& value : general)
        value = RAVELIN_TRY(reader.integer<u64>());
    std::array<u32, 7> flags_and_segments{};
    for (u32& value : flags_and_segments)
        value = RAVELIN_TRY(reader.integer<u32>());
    std::array<u64, 9> system{}; // fs, gs, kernel gs base, cr0, 2, 3, 4, 8, efer
    for (u64& value : system)
        value = RAVELIN_TRY(reader.integer<u64>());
    const auto low = [&](std::size_t index) { return static_cast<u32>(general[index]); };
    return Registers{.eax = low(0),
                     .ebx = low(1),
                     .ecx = low(2),
                     .edx = low(3),
                     .esi = low(4),
                     .edi = low(5),
                     .ebp = low(6),
                     .esp = low(7),
                     .rip = general[16],
                     .rflags = flags_and_segments[0],
                     .cs = static_cast<u16>(flags_and_segments[1]),
                     .cr0 = system[3],
                     .cr3 = system[5],
                     .cr4 = system[6],
                     .efer = system[8]};
}

} // namespace

u32 Registers::general(unsigned number) const {
    return std::array{eax, ecx, edx, ebx, esp, ebp, esi, edi}.at(number);
}

Register general_register(unsigned number) {
    return std::array{Register::rax,
                      Register::rcx,
                      Register::rdx,
                      Register::rbx,
                      Register::rsp,
                      Register::rbp,
                      Register::rsi,
                      Register::rdi}
        .at(number);
}

FileDescriptor connect_to(const std::filesystem::path& socket, std::chrono::milliseconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof(address.sun_path))
        throw ServerError{"the temporary folder's name is too long for a socket: " + path};
    std::copy(path.begin(), path.end(), address.sun_path);
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (true) {
        FileDescriptor connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        // SAFETY: the sockets interface takes every address family through this cast.
        if (::connect(connection.get(),
                      reinterpret_cast<const sockaddr*>(&address),
                      sizeof(address)) == 0)
            return connection;
        if (std::chrono::steady_clock::now() > end)
            throw_errno("QEMU's gdbstub at " + path);
        std::this_thread::sleep_for(20ms);
    }
}

Debugger::Debugger(FileDescriptor socket) : socket_{std::move(socket)} {
    command("qSupported:multiprocess-;swbreak+;hwbreak+");
    // QEMU tells no registers to a client that has not asked what there are.
    if (command("qXfer:features:read:target.xml:0,ffb").empty())
        throw ServerError{"QEMU's gdbstub does not describe its registers"};
    expect_ok("Qqemu.PhyMemMode:1");
}

void Debugger::send(std::string_view body) {
    const std::string packet = encode_packet(body);
    const std::vector<u8> bytes{packet.begin(), packet.end()};
    write_all(socket_, bytes);
}

std::optional<std::string> Debugger::receive(std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (true) {
        if (auto packet = reader_.next()) {
            constexpr u8 acknowledgement = '+';
            write_all(socket_, std::span{&acknowledgement, 1});
            return packet;
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd readable{socket_.get(), POLLIN, 0};
        const int ready = ::poll(&readable, 1, static_cast<int>(std::max(left, 0ms).count()));
        if (ready == 0)
            return std::nullopt;
        if (ready < 0 && errno == EINTR)
            continue;
        std::array<char, 16384> buffer{};
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0)
            throw ServerError{"the machine is gone"};
        reader_.feed({buffer.data(), static_cast<std::size_t>(got)});
    }
}

std::string Debugger::command(const std::string& body) {
    send(body);
    auto reply = receive(reply_limit);
    if (!reply)
        throw ServerError{"QEMU's gdbstub does not answer " + body};
    return *std::move(reply);
}

void Debugger::expect_ok(const std::string& body) {
    const std::string reply = command(body);
    if (reply != "OK")
        throw ServerError{"QEMU's gdbstub answers '" + reply + "' to " + body.substr(0, 80)};
}

void Debugger::resume() {
    send("c");
}

void Debugger::step(unsigned processor) {
    send("vCont;s:" + hex_number(processor + 1));
    if (!receive(reply_limit))
        throw ServerError{"one instruction did not end"};
}

std::optional<StopReply> Debugger::wait_for_stop(std::chrono::milliseconds timeout) {
    const auto packet = receive(timeout);
    if (!packet)
        return std::nullopt;
    if (const auto stop = parse_stop(*packet))
        return stop;
    throw ServerError{"the machine ended (" + *packet + ")"};
}

void Debugger::interrupt() {
    constexpr u8 break_character = 3;
    write_all(socket_, std::span{&break_character, 1});
}

void Debugger::select(unsigned processor) {
    expect_ok("Hg" + hex_number(processor + 1));
}

Registers Debugger::registers() {
    const auto bytes = from_hex(command("g"));
    const auto decoded = bytes ? decode_registers(*bytes) : Failure{CursorError::bad_value};
    if (!decoded)
        throw ServerError{"QEMU's gdbstub does not tell the registers"};
    return decoded.value();
}

void Debugger::set(Register which, u64 value) {
    expect_ok("P" + hex_number(static_cast<unsigned>(which)) + "=" + number_bytes(value));
}

void Debugger::set_breakpoint(u64 address) {
    expect_ok("Z1," + hex_number(address) + ",1");
}

void Debugger::clear_breakpoint(u64 address) {
    command("z1," + hex_number(address) + ",1");
}

void Debugger::set_watchpoint(u64 address) {
    expect_ok("Z2," + hex_number(address) + ",4");
}

void Debugger::clear_watchpoint(u64 address) {
    command("z2," + hex_number(address) + ",4");
}

std::vector<u8> Debugger::read_physical(u64 address, std::size_t size) {
    const auto bytes = from_hex(command("m" + hex_number(address) + "," + hex_number(size)));
    if (!bytes || bytes->size() != size)
        throw ServerError{"QEMU's gdbstub does not read " + hex_number(address)};
    return *bytes;
}

void Debugger::write_physical(u64 address, std::span<const u8> bytes) {
    expect_ok("M" + hex_number(address) + "," + hex_number(bytes.size()) + ":" + to_hex(bytes));
}

} // namespace ravelin::tools::txt

// SPDX-License-Identifier: Apache-2.0
// Ordinary work of a Linux system, each part long enough (tens of millions of instructions) that
// the kernel's timer ticks are in it in proportion.
#include "readings.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ravelin::bench_init {
namespace {

/// Ticks of one of `rounds` calls.
template <typename Body> u64 ticks_per_round(u64 rounds, Body&& body) {
    for (u64 i = 0; i < rounds / 10; ++i)
        body();
    const u64 start = ticks();
    for (u64 i = 0; i < rounds; ++i)
        body();
    return (ticks() - start) / rounds;
}

/// The median of what `batch` gives: how two processes take turns, and what a connection settles
/// on, differ from one to the next.
template <typename Batch> u64 median(Batch&& batch) {
    std::array<u64, 9> results{};
    for (u64& result : results)
        result = batch();
    std::nth_element(results.begin(), results.begin() + results.size() / 2, results.end());
    return results[results.size() / 2];
}

void write_all(int to, const void* bytes, std::size_t size) {
    if (checked(write(to, bytes, size), "write") != static_cast<ssize_t>(size))
        throw std::runtime_error{"a short write"};
}

/// False when the other end closed.
bool read_all(int from, void* bytes, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t now =
            checked(read(from, static_cast<char*>(bytes) + done, size - done), "read");
        if (now == 0)
            return false;
        done += static_cast<std::size_t>(now);
    }
    return true;
}

/// A child that runs `body` and ends, as a process to wait for.
template <typename Body> pid_t child(Body&& body) {
    const pid_t pid = checked(fork(), "fork");
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

void wait_for(pid_t pid) {
    int status = 0;
    checked(waitpid(pid, &status, 0), "waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw std::runtime_error{"a child failed"};
}

/// Two instructions a turn: also shows that a tick is an instruction.
void turn(u64 turns) {
    // SAFETY: changes only its operand and the flags.
    asm volatile("1: dec %0; jnz 1b" : "+r"(turns) : : "cc");
}

void leave_program() {
    wait_for(child([] {
        std::array<char*, 3> arguments{
            const_cast<char*>("/init"), const_cast<char*>("leave"), nullptr};
        execv(arguments[0], arguments.data());
        _exit(1);
    }));
}

template <std::size_t size> void echo(int from, int to) {
    std::array<char, size> bytes{};
    while (read_all(from, bytes.data(), size))
        write_all(to, bytes.data(), size);
}

u64 pipe_round_trip() {
    std::array<int, 2> there{};
    std::array<int, 2> back{};
    checked(pipe(there.data()), "pipe");
    checked(pipe(back.data()), "pipe");
    const pid_t other = child([&] {
        close(there[1]);
        echo<1>(there[0], back[1]);
    });
    const u64 result = ticks_per_round(500, [&] {
        char byte = 1;
        write_all(there[1], &byte, 1);
        (void)read_all(back[0], &byte, 1);
    });
    close(there[1]);
    wait_for(other);
    for (const int end : {there[0], back[0], back[1]})
        close(end);
    return result;
}

void create_write_read_remove() {
    std::array<char, 16384> bytes{};
    const int file = checked(open("/tmp/file", O_RDWR | O_CREAT | O_EXCL, 0600), "create");
    write_all(file, bytes.data(), bytes.size());
    checked(lseek(file, 0, SEEK_SET), "seek");
    if (!read_all(file, bytes.data(), bytes.size()))
        throw std::runtime_error{"a short read"};
    close(file);
    checked(unlink("/tmp/file"), "unlink");
}

void bring_up_loopback() {
    const int any = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    checked(ioctl(any, SIOCSIFFLAGS, &request), "bring up lo");
    close(any);
}

int tcp_socket() {
    const int made = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    const int on = 1;
    checked(setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
    return made;
}

u64 tcp_round_trip() {
    constexpr std::size_t size = 1024;
    static u16 port = 1000; // the last one's connection is remembered by its port
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(++port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // SAFETY: the socket calls take every kind of address by this type.
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    const int listener = tcp_socket();
    checked(bind(listener, any, sizeof(address)), "bind");
    checked(listen(listener, 1), "listen");
    const pid_t other = child([&] {
        const int peer = checked(accept(listener, nullptr, nullptr), "accept");
        echo<size>(peer, peer);
    });
    const int connection = tcp_socket();
    checked(connect(connection, any, sizeof(address)), "connect");
    std::array<char, size> bytes{};
    const u64 result = ticks_per_round(200, [&] {
        write_all(connection, bytes.data(), size);
        (void)read_all(connection, bytes.data(), size);
    });
    close(connection);
    wait_for(other);
    close(listener);
    return result;
}

/// Ticks beyond a millisecond that a sleep of one takes: the TSC ticks in nanoseconds.
u64 sleep_lateness() {
    constexpr u64 millisecond = 1'000'000;
    checked(prctl(PR_SET_TIMERSLACK, 1ul), "PR_SET_TIMERSLACK");
    const u64 whole = ticks_per_round(100, [] {
        const timespec duration{0, millisecond};
        checked(clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr) == 0 ? 0 : -1, "sleep");
    });
    return whole > millisecond ? whole - millisecond : 0;
}

} // namespace

void measure_work(Readings& readings) {
    constexpr u64 turns = 100'000;
    readings.add("work.cpu", ticks_per_round(400, [] { turn(turns); }));
    readings.add("work.fork",
                 median([] { return ticks_per_round(50, [] { wait_for(child([] {})); }); }));
    readings.add("work.exec", median([] { return ticks_per_round(20, leave_program); }));
    readings.add("work.pipe", median(pipe_round_trip));
    readings.add("work.file",
                 median([] { return ticks_per_round(200, create_write_read_remove); }));
    bring_up_loopback();
    readings.add("work.tcp", median(tcp_round_trip));
    readings.add("sleep.late", sleep_lateness());
}

} // namespace ravelin::bench_init

// SPDX-License-Identifier: Apache-2.0
// Round trips to the back ends: a 64 KiB read past the page cache, and a ping.
#include "readings.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ravelin::bench_init {
namespace {

constexpr u64 rounds = 100;
constexpr u64 warm_up = 20;

template <typename Body> u64 ticks_per_round(Body&& body) {
    for (u64 i = 0; i < warm_up; ++i)
        body();
    const u64 start = ticks();
    for (u64 i = 0; i < rounds; ++i)
        body();
    return (ticks() - start) / rounds;
}

/// Tries until `ready` gives something or ten seconds are over.
template <typename Ready> auto eventually(Ready&& ready, const char* what) {
    for (int tries = 0; tries < 1000; ++tries) {
        if (auto found = ready(); found >= 0)
            return found;
        const timespec pause{0, 10'000'000};
        (void)nanosleep(&pause, nullptr);
    }
    throw std::runtime_error{std::string{what} + " did not appear"};
}

u64 block_read() {
    constexpr std::size_t size = 64 * 1024;
    const int disk = eventually([] { return open("/dev/xvda", O_RDONLY | O_DIRECT); }, "the disk");
    void* const buffer = std::aligned_alloc(4096, size);
    off_t at = 0;
    const u64 result = ticks_per_round([&] {
        if (checked(pread(disk, buffer, size, at), "read of the disk") != ssize_t{size})
            throw std::runtime_error{"a short read of the disk"};
        at = (at + off_t{size}) % (1 << 20);
    });
    std::free(buffer);
    close(disk);
    return result;
}

sockaddr_in internet_address(const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (inet_aton(text, &address.sin_addr) == 0)
        throw std::runtime_error{"no address: " + std::string{text}};
    return address;
}

void configure_interface(const char* own) {
    const int any = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
    ifreq request{};
    std::strcpy(request.ifr_name, "eth0");
    (void)eventually([&] { return ioctl(any, SIOCGIFFLAGS, &request); }, "the interface");
    const auto set = [&](unsigned long what, const char* text) {
        const sockaddr_in address = internet_address(text);
        std::memcpy(&request.ifr_addr, &address, sizeof(address));
        checked(ioctl(any, what, &request), "configure the interface");
    };
    set(SIOCSIFADDR, own);
    set(SIOCSIFNETMASK, "255.255.255.0");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    checked(ioctl(any, SIOCSIFFLAGS, &request), "bring up the interface");
    close(any);
}

/// One's complement sum [RFC 1071].
u16 checksum(const void* bytes, std::size_t size) {
    u32 sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2) {
        u16 word = 0;
        std::memcpy(&word, static_cast<const char*>(bytes) + i, 2);
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(~(sum + (sum >> 16)));
}

struct Echo {
    icmphdr header;
    std::array<char, 56> payload;
};

class Pinger {
  public:
    explicit Pinger(const char* peer)
        : socket_{checked(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "socket")}, peer_{
                                                                                   internet_address(
                                                                                       peer)} {
        const timeval limit{0, 500'000};
        checked(setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), "time-out");
    }
    Pinger(const Pinger&) = delete;
    Pinger& operator=(const Pinger&) = delete;
    ~Pinger() { close(socket_); }

    /// Negative when nobody answered in time.
    int ping() {
        Echo request{};
        request.header.type = ICMP_ECHO;
        request.header.un.echo.sequence = htons(++sequence_);
        request.header.checksum = checksum(&request, sizeof(request));
        // SAFETY: the socket calls take every kind of address by this type.
        const auto* const to = reinterpret_cast<const sockaddr*>(&peer_);
        if (sendto(socket_, &request, sizeof(request), 0, to, sizeof(peer_)) < 0)
            return -1;
        for (;;) {
            struct {
                std::array<char, 20> internet_header;
                Echo echo;
            } reply{};
            if (recv(socket_, &reply, sizeof(reply), 0) < 0)
                return -1;
            if (reply.echo.header.type == ICMP_ECHOREPLY &&
                reply.echo.header.un.echo.sequence == request.header.un.echo.sequence)
                return 0;
        }
    }

  private:
    int socket_;
    sockaddr_in peer_;
    u16 sequence_{0};
};

} // namespace

void measure_devices(Readings& readings, const char* peer) {
    readings.add("device.block_read", block_read());
    configure_interface("10.9.0.1");
    Pinger pinger{peer};
    // The address is asked for, and a bridge learns who is where.
    (void)eventually([&] { return pinger.ping(); }, "the peer");
    readings.add("device.ping",
                 ticks_per_round([&] { checked(pinger.ping(), "a ping went unanswered"); }));
}

} // namespace ravelin::bench_init

// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/relay.hpp"

#include "tools/server/error.hpp"
#include "tools/server/file_descriptor.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ravelin::tools {
namespace {

/// Copies what is there; false at the end of the stream.
bool copy_some(int from, int to) {
    std::array<char, 16384> buffer{};
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got <= 0)
        return got < 0 && errno == EINTR;
    for (ssize_t sent = 0; sent < got;) {
        const ssize_t wrote =
            ::write(to, buffer.data() + sent, static_cast<std::size_t>(got - sent));
        if (wrote <= 0)
            return false;
        sent += wrote;
    }
    return true;
}

} // namespace

void relay(unsigned port) {
    const FileDescriptor remote{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<u16>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // SAFETY: the sockets interface takes every address family through this cast.
    if (::connect(remote.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        throw_errno("connect to port " + std::to_string(port) + " of this host");
    bool guest_open = true;
    bool remote_open = true;
    while (remote_open) {
        std::array<pollfd, 2> ends{pollfd{guest_open ? STDIN_FILENO : -1, POLLIN, 0},
                                   pollfd{remote.get(), POLLIN, 0}};
        if (::poll(ends.data(), ends.size(), -1) < 0 && errno != EINTR)
            return;
        if (ends[0].revents != 0 && !copy_some(STDIN_FILENO, remote.get())) {
            guest_open = false;
            ::shutdown(remote.get(), SHUT_WR);
        }
        if (ends[1].revents != 0)
            remote_open = copy_some(remote.get(), STDOUT_FILENO);
    }
}

} // namespace ravelin::tools

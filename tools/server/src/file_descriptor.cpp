// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "tools/server/file_descriptor.hpp"

#include "tools/server/error.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace ravelin::tools {

void throw_errno(const std::string& what) {
    throw ServerError{what + ": " + std::strerror(errno)};
}

void FileDescriptor::reset() {
    if (number_ >= 0)
        ::close(std::exchange(number_, -1));
}

void FileDescriptor::shut_down() const {
    if (number_ >= 0)
        ::shutdown(number_, SHUT_RDWR);
}

SocketPair make_socket_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw_errno("socketpair");
    return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

void write_all(const FileDescriptor& to, std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            throw_errno("write to a socket");
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
}

bool read_exactly(const FileDescriptor& from, std::span<u8> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::recv(from.get(), bytes.data(), bytes.size(), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

} // namespace ravelin::tools

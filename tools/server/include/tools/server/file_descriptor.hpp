// SPDX-License-Identifier: Apache-2.0
// An owned file descriptor, and the few exact-length operations on it that the proxy and the
// consoles need.
#pragma once

#include <base/int.hpp>

#include <span>
#include <utility>

namespace ravelin::tools {

class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int number) : number_{number} {}
    FileDescriptor(FileDescriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            reset();
            number_ = std::exchange(other.number_, -1);
        }
        return *this;
    }
    ~FileDescriptor() { reset(); }

    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] explicit operator bool() const { return number_ >= 0; }
    void reset();
    /// Ends both directions, so that whoever blocks on this socket (or its peer) returns.
    void shut_down() const;

  private:
    int number_{-1};
};

/// A connected pair of unix stream sockets, close-on-exec.
struct SocketPair {
    FileDescriptor ours;
    FileDescriptor theirs;
};
[[nodiscard]] SocketPair make_socket_pair();

/// All of `bytes`, or ServerError.
void write_all(const FileDescriptor& to, std::span<const u8> bytes);
/// Fills `bytes`; false when the stream ended before the first or within.
[[nodiscard]] bool read_exactly(const FileDescriptor& from, std::span<u8> bytes);

} // namespace ravelin::tools

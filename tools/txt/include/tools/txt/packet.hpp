// SPDX-License-Identifier: Apache-2.0
// Packets of the GDB remote serial protocol, as bytes: framing, checksum, and nothing about what
// they mean. [GDB manual, appendix E.1]
#pragma once

#include <base/int.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ravelin::tools::txt {

/// "$body#checksum"; a body that holds a character of the framing is escaped.
[[nodiscard]] std::string encode_packet(std::string_view body);

/// Takes packets out of a byte stream, whatever the pieces it comes in. Acknowledgements between
/// packets are passed over; a packet whose checksum is wrong is dropped and counted.
class PacketReader {
  public:
    void feed(std::string_view bytes) { pending_ += bytes; }
    /// The next whole packet's body, unescaped; none while it is incomplete.
    [[nodiscard]] std::optional<std::string> next();
    [[nodiscard]] unsigned dropped() const { return dropped_; }

  private:
    std::string pending_;
    unsigned dropped_{0};
};

/// Two digits a byte.
[[nodiscard]] std::string to_hex(std::span<const u8> bytes);
/// None when `text` is not pairs of hexadecimal digits.
[[nodiscard]] std::optional<std::vector<u8>> from_hex(std::string_view text);
/// A number as the protocol writes them: hexadecimal, without prefix.
[[nodiscard]] std::string hex_number(u64 value);
[[nodiscard]] std::optional<u64> parse_hex_number(std::string_view text);

/// Why the machine stopped, from a stop reply.
struct StopReply {
    unsigned signal{0};
    unsigned processor{0};      ///< counted from 0
    std::optional<u64> written; ///< a write watchpoint's address
    friend bool operator==(const StopReply&, const StopReply&) = default;
};
/// None for a packet that is no stop ("OK", "W00", …).
[[nodiscard]] std::optional<StopReply> parse_stop(std::string_view packet);

} // namespace ravelin::tools::txt

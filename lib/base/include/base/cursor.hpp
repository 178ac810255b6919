// SPDX-License-Identifier: Apache-2.0
// Byte cursors: the only way wire formats are read and written. Every read is bounded; a decoder
// finishes with expect_end(), because trailing bytes are an error.
#pragma once

#include "base/result.hpp"
#include "base/types.hpp"

#include <concepts>
#include <span>

namespace ravelin {

enum class CursorError : u8 {
    truncated, ///< fewer bytes are left than the read asks for
    trailing,  ///< bytes are left where none may be
    full,      ///< a writer has no room
    bad_value, ///< a field that may not have this value
};

enum class Endian : u8 { little, big };

/// Reads from a byte span that outlives it. Copies nothing but what is returned.
template <Endian order> class BasicReader {
  public:
    constexpr explicit BasicReader(std::span<const u8> bytes) : bytes_{bytes} {}

    [[nodiscard]] constexpr usize offset() const { return offset_; }
    [[nodiscard]] constexpr usize remaining() const { return bytes_.size() - offset_; }

    /// The next n bytes, as a view.
    [[nodiscard]] constexpr Result<std::span<const u8>, CursorError> bytes(usize n) {
        if (n > remaining())
            return Failure{CursorError::truncated};
        const auto out = bytes_.subspan(offset_, n);
        offset_ += n;
        return out;
    }
    template <std::unsigned_integral T> [[nodiscard]] constexpr Result<T, CursorError> integer() {
        const auto raw = RAVELIN_TRY(bytes(sizeof(T)));
        T value = 0;
        for (usize i = 0; i < sizeof(T); ++i) {
            const usize at = order == Endian::little ? sizeof(T) - 1 - i : i;
            value = static_cast<T>(static_cast<u64>(value) << 8 | raw[at]);
        }
        return value;
    }
    [[nodiscard]] constexpr Result<u8, CursorError> byte() { return integer<u8>(); }
    [[nodiscard]] constexpr Status<CursorError> skip(usize n) {
        (void)RAVELIN_TRY(bytes(n));
        return Unit{};
    }
    [[nodiscard]] constexpr Status<CursorError> expect_end() const {
        if (remaining() != 0)
            return Failure{CursorError::trailing};
        return Unit{};
    }

  private:
    std::span<const u8> bytes_;
    usize offset_{};
};
using LittleReader = BasicReader<Endian::little>;
using BigReader = BasicReader<Endian::big>;

/// Writes into a byte span that outlives it. Sticky: after the first overflow nothing more is
/// written and finish() says so.
template <Endian order> class BasicWriter {
  public:
    constexpr explicit BasicWriter(std::span<u8> buffer) : buffer_{buffer} {}

    constexpr BasicWriter& bytes(std::span<const u8> data) {
        if (overflow_ || data.size() > buffer_.size() - offset_) {
            overflow_ = true;
            return *this;
        }
        for (const u8 b : data)
            buffer_[offset_++] = b;
        return *this;
    }
    template <std::unsigned_integral T> constexpr BasicWriter& integer(T value) {
        u8 raw[sizeof(T)]{};
        for (usize i = 0; i < sizeof(T); ++i) {
            const usize shift = 8 * (order == Endian::little ? i : sizeof(T) - 1 - i);
            raw[i] = static_cast<u8>(static_cast<u64>(value) >> shift);
        }
        return bytes(raw);
    }
    [[nodiscard]] constexpr usize offset() const { return offset_; }
    /// Overwrites an integer written before, e.g. a length known only now.
    template <std::unsigned_integral T> constexpr void patch(usize at, T value) {
        if (overflow_ || at + sizeof(T) > offset_) {
            overflow_ = true;
            return;
        }
        const usize end = offset_;
        offset_ = at;
        integer(value);
        offset_ = end;
    }
    /// The bytes written, or `full`.
    [[nodiscard]] constexpr Result<std::span<const u8>, CursorError> finish() const {
        if (overflow_)
            return Failure{CursorError::full};
        return std::span<const u8>{buffer_.first(offset_)};
    }

  private:
    std::span<u8> buffer_;
    usize offset_{};
    bool overflow_{};
};
using LittleWriter = BasicWriter<Endian::little>;
using BigWriter = BasicWriter<Endian::big>;

} // namespace ravelin

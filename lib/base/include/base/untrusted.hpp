// SPDX-License-Identifier: Apache-2.0
// Untrusted<T>: a value that came from a guest, a wire or the firmware. It is copied once and can
// be looked at only by a check that says what it accepts.
#pragma once

#include "base/int.hpp"

#include <type_traits>
#include <utility>

namespace ravelin {

template <typename T> class Untrusted {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    constexpr Untrusted() = default;
    constexpr explicit Untrusted(const T& value) : value_{value} {}

    /// Hands the copied value to a decoder, whose result is what the caller may use. The decoder is
    /// a pure function.
    template <typename Decoder> [[nodiscard]] constexpr auto decode(Decoder&& decoder) const {
        return std::forward<Decoder>(decoder)(value_);
    }

  private:
    T value_{};
};

} // namespace ravelin

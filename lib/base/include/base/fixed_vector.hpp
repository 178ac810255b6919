// SPDX-License-Identifier: Apache-2.0
// A vector with inline storage and a fixed capacity; push_back says when it is full.
#pragma once

#include "base/ensure.hpp"
#include "base/int.hpp"

#include <array>
#include <span>
#include <type_traits>

namespace ravelin {

template <typename T, usize Capacity> class FixedVector {
    static_assert(std::is_default_constructible_v<T>);

  public:
    [[nodiscard]] constexpr usize size() const { return size_; }
    [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
    [[nodiscard]] constexpr bool full() const { return size_ == Capacity; }
    [[nodiscard]] static constexpr usize capacity() { return Capacity; }

    /// False, and nothing changed, when full.
    [[nodiscard]] constexpr bool push_back(const T& value) {
        if (full())
            return false;
        items_[size_++] = value;
        return true;
    }
    constexpr void clear() { size_ = 0; }
    /// Shrinks to the first n elements.
    constexpr void truncate(usize n) {
        ensure(n <= size_, "FixedVector::truncate beyond the size");
        size_ = n;
    }
    /// Removes one element; the last takes its place.
    constexpr void swap_remove(usize at) {
        ensure(at < size_, "FixedVector index out of range");
        items_[at] = items_[--size_];
    }
    [[nodiscard]] constexpr T& operator[](usize at) {
        ensure(at < size_, "FixedVector index out of range");
        return items_[at];
    }
    [[nodiscard]] constexpr const T& operator[](usize at) const {
        ensure(at < size_, "FixedVector index out of range");
        return items_[at];
    }
    [[nodiscard]] constexpr T* begin() { return items_.data(); }
    [[nodiscard]] constexpr T* end() { return items_.data() + size_; }
    [[nodiscard]] constexpr const T* begin() const { return items_.data(); }
    [[nodiscard]] constexpr const T* end() const { return items_.data() + size_; }
    [[nodiscard]] constexpr std::span<T> span() { return {items_.data(), size_}; }
    [[nodiscard]] constexpr std::span<const T> span() const { return {items_.data(), size_}; }

  private:
    std::array<T, Capacity> items_{};
    usize size_{};
};

} // namespace ravelin

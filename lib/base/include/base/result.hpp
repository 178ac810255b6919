// SPDX-License-Identifier: Apache-2.0
// Result<T, E>: a value or a module's error. No exceptions, no out-parameters. RAVELIN_TRY unwraps
// or returns the error.
#pragma once

#include "base/ensure.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace ravelin {

/// Wraps an error on its way into a Result, so that T and E may be the same type.
template <typename E> struct [[nodiscard]] Failure { E error; };
template <typename E> Failure(E) -> Failure<E>;

/// The value of a Result that carries none.
struct Unit {
    friend constexpr bool operator==(Unit, Unit) = default;
};

template <typename T, typename E> class [[nodiscard]] Result {
    static_assert(!std::is_reference_v<T> && !std::is_reference_v<E>);

  public:
    using value_type = T;
    using error_type = E;

    // Parentheses: braces would make a list of a T that takes itself in an initializer_list (JSON).
    constexpr Result(const T& value) : ok_{true}, value_(value) {}
    constexpr Result(T&& value) : ok_{true}, value_(std::move(value)) {}
    template <typename F>
    requires std::is_convertible_v<F, E>
    constexpr Result(Failure<F> failure) : ok_{false}, error_(std::move(failure.error)) {}

    constexpr Result(const Result& other) requires std::is_copy_constructible_v<T>
        : ok_{other.ok_} {
        construct(other);
    }
    constexpr Result(Result&& other) noexcept : ok_{other.ok_} { construct(std::move(other)); }
    constexpr Result& operator=(const Result& other) requires std::is_copy_constructible_v<T> {
        if (this != &other) {
            destroy();
            ok_ = other.ok_;
            construct(other);
        }
        return *this;
    }
    constexpr Result& operator=(Result&& other) noexcept {
        if (this != &other) {
            destroy();
            ok_ = other.ok_;
            construct(std::move(other));
        }
        return *this;
    }
    constexpr ~Result() { destroy(); }

    [[nodiscard]] constexpr bool is_ok() const { return ok_; }
    [[nodiscard]] constexpr explicit operator bool() const { return ok_; }

    [[nodiscard]] constexpr T& value() & {
        ensure(ok_, "Result::value() of an error");
        return value_;
    }
    [[nodiscard]] constexpr const T& value() const& {
        ensure(ok_, "Result::value() of an error");
        return value_;
    }
    [[nodiscard]] constexpr T&& value() && {
        ensure(ok_, "Result::value() of an error");
        return std::move(value_);
    }
    [[nodiscard]] constexpr const E& error() const {
        ensure(!ok_, "Result::error() of a value");
        return error_;
    }
    [[nodiscard]] constexpr T value_or(T alternative) const { return ok_ ? value_ : alternative; }

  private:
    template <typename Other> constexpr void construct(Other&& other) {
        if (ok_)
            std::construct_at(&value_, std::forward<Other>(other).value_);
        else
            std::construct_at(&error_, std::forward<Other>(other).error_);
    }
    constexpr void destroy() {
        if (ok_)
            std::destroy_at(&value_);
        else
            std::destroy_at(&error_);
    }

    bool ok_;
    union {
        T value_;
        E error_;
    };
};

/// A Result that succeeds with nothing.
template <typename E> using Status = Result<Unit, E>;

} // namespace ravelin

// A statement expression, because C++20 has no operator for "unwrap or return"; GCC and clang both
// accept it.
#define RAVELIN_TRY_JOIN_(a, b) a##b
#define RAVELIN_TRY_JOIN(a, b) RAVELIN_TRY_JOIN_(a, b)
#define RAVELIN_TRY_NAMED(name, ...)                                                               \
    __extension__({                                                                                \
        auto name = (__VA_ARGS__);                                                                 \
        if (!name.is_ok()) [[unlikely]]                                                            \
            return ::ravelin::Failure{name.error()};                                               \
        std::move(name).value();                                                                   \
    })
#define RAVELIN_TRY(...) RAVELIN_TRY_NAMED(RAVELIN_TRY_JOIN(ravelin_try_, __COUNTER__), __VA_ARGS__)

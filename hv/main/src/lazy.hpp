// SPDX-License-Identifier: Apache-2.0
// An object that is constructed at a time of our choosing and never destroyed: the hypervisor has
// no run-time constructors, and its objects live as long as the machine.
#pragma once

#include <base/ensure.hpp>
#include <base/int.hpp>

#include <memory>
#include <utility>

namespace ravelin::hv {

template <typename T> class Lazy {
  public:
    constexpr Lazy() {}
    constexpr ~Lazy() {}
    Lazy(const Lazy&) = delete;
    Lazy& operator=(const Lazy&) = delete;

    template <typename... Arguments> T& construct(Arguments&&... arguments) {
        ensure(!constructed_, "constructed twice");
        constructed_ = true;
        return *std::construct_at(&value_, std::forward<Arguments>(arguments)...);
    }
    [[nodiscard]] T& operator*() {
        ensure(constructed_, "used before it was constructed");
        return value_;
    }
    [[nodiscard]] T* operator->() { return &**this; }
    [[nodiscard]] bool constructed() const { return constructed_; }

  private:
    union {
        u8 nothing_{};
        T value_;
    };
    bool constructed_{false};
};

} // namespace ravelin::hv

// SPDX-License-Identifier: Apache-2.0
// Ticket spin lock and Locked<T>: data that can be reached only under its lock.
#pragma once

#include "base/int.hpp"

#include <atomic>
#include <utility>

namespace ravelin {

/// Fair spin lock. Context: interrupts must be disabled by the caller where an interrupt handler
/// takes the same lock (the hypervisor runs with interrupts disabled except in its idle loop and
/// while a guest runs).
class SpinLock {
  public:
    constexpr SpinLock() = default;
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

    void acquire() {
        const u32 ticket = next_.fetch_add(1, std::memory_order_relaxed);
        while (serving_.load(std::memory_order_acquire) != ticket)
            __builtin_ia32_pause();
    }
    void release() {
        serving_.store(serving_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

  private:
    std::atomic<u32> next_{0};
    std::atomic<u32> serving_{0};
};

/// RAII guard of a SpinLock.
class [[nodiscard]] LockGuard {
  public:
    explicit LockGuard(SpinLock& lock) : lock_{lock} { lock_.acquire(); }
    ~LockGuard() { lock_.release(); }
    LockGuard(const LockGuard&) = delete;
    LockGuard& operator=(const LockGuard&) = delete;

  private:
    SpinLock& lock_;
};

/// A T that is reachable only inside with(), under its lock.
template <typename T> class Locked {
  public:
    template <typename... Args>
    constexpr explicit Locked(Args&&... args) : value_{std::forward<Args>(args)...} {}

    template <typename F> decltype(auto) with(F&& body) {
        const LockGuard guard{lock_};
        return std::forward<F>(body)(value_);
    }

  private:
    SpinLock lock_;
    T value_;
};

} // namespace ravelin

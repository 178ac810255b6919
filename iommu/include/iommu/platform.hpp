// SPDX-License-Identifier: Apache-2.0
// What VT-d code needs of the machine under it, so that the same code runs on registers in the
// hypervisor and on a model under the tests.
#pragma once

#include <base/types.hpp>

namespace ravelin::iommu {

/// The registers of one remapping unit. Every access reaches the device, in program order.
class RegisterSpace {
  public:
    [[nodiscard]] virtual u32 read32(u32 offset) = 0;
    [[nodiscard]] virtual u64 read64(u32 offset) = 0;
    virtual void write32(u32 offset, u32 value) = 0;
    virtual void write64(u32 offset, u64 value) = 0;

  protected:
    ~RegisterSpace() = default;
};

class Platform {
  public:
    /// Monotonic; bounds every wait.
    [[nodiscard]] virtual u64 microseconds() = 0;
    /// One turn of a waiting loop.
    virtual void relax() = 0;
    /// Writes the cache lines of [at, at + size) back to memory and waits until they are there: for
    /// units whose walks do not snoop.
    virtual void write_back(const void* at, usize size) = 0;

  protected:
    ~Platform() = default;
};

} // namespace ravelin::iommu

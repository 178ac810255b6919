// SPDX-License-Identifier: Apache-2.0
// Where a raised port is seen: the words that a domain shares with its guest, and its vCPUs. The
// guest writes all of these words at any time; nothing that is read from them decides where the
// hypervisor writes.
#pragma once

#include <base/types.hpp>

#include <span>

namespace ravelin::hv::events {

/// A place in a guest's RAM that the hypervisor writes to; its frame may not be unmapped.
struct SharedPlace {
    HostFrame frame{};
    u16 offset{};
    bool pinned{}; ///< in the domain's own RAM; in a page of the hypervisor's if not
};

/// One domain's. Called under the lock of its channels.
class Target {
  public:
    /// 2-level: word `index`, below 64, of shared_info's pending bits or of its mask.
    [[nodiscard]] virtual u64* pending_word(u32 index) = 0;
    [[nodiscard]] virtual u64* mask_word(u32 index) = 0;
    /// Sets these bits of vcpu_info's selector of words (2-level; 0 else) and then its upcall flag,
    /// and has the vCPU look when that was clear. Nothing when the vCPU shows no vcpu_info.
    virtual void notify(VcpuId vcpu, u64 selected) = 0;
    /// A port was raised, masked or not.
    virtual void raised() {}
    /// FIFO: a page of event words or with a control block.
    [[nodiscard]] virtual std::span<u8, page_size> bytes(HostFrame frame) = 0;

  protected:
    ~Target() = default;
};

} // namespace ravelin::hv::events

// SPDX-License-Identifier: Apache-2.0
// An image on its way into a domain: copied out of the caller's memory once, into frames of the
// hypervisor's, and hashed from there, so that what is measured is what is built.
#pragma once

#include <crypto/sha.hpp>
#include <hv/life/host.hpp>
#include <hv/mm/frames.hpp>

namespace ravelin::hv::life {

class StagedImage {
  public:
    /// Takes the next chunk. The first one decides the size, and takes the frames.
    [[nodiscard]] Status<Problem> load(const wire::control::VmLoad& chunk,
                                       Caller& caller,
                                       Host& host,
                                       mm::FrameAllocator& frames);
    /// Whether all of it is there; an image of which nothing was loaded is complete and empty.
    [[nodiscard]] bool complete() const { return filled_ == total_; }
    [[nodiscard]] bool empty() const { return total_ == 0; }
    /// Of a complete image; once.
    [[nodiscard]] crypto::Sha256::Digest digest() { return hash_.finish(); }
    [[nodiscard]] std::span<const u8> bytes(Host& host) const;
    /// Gives the frames back. The allocator scrubs them before anyone gets them.
    void release(mm::FrameAllocator& frames);

  private:
    HostFrame first_{};
    u64 count_{}; ///< frames; 0 when there are none
    u64 total_{};
    u64 filled_{};
    crypto::Sha256 hash_;
};

} // namespace ravelin::hv::life

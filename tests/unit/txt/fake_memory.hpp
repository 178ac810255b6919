// SPDX-License-Identifier: Apache-2.0
// Physical memory of a test: one range of RAM.
#pragma once

#include <tools/txt/memory.hpp>

namespace ravelin::tools::txt {

class FakeMemory final : public PhysicalMemory {
  public:
    FakeMemory(u64 base, u64 size) : base_{base}, bytes_(size) {}
    std::span<u8> at(u64 address, u64 size) override {
        if (address < base_ || address - base_ > bytes_.size() ||
            size > bytes_.size() - (address - base_))
            return {};
        return std::span{bytes_}.subspan(address - base_, size);
    }
    void put64(u64 address, u64 value) {
        for (u8& byte : at(address, 8)) {
            byte = static_cast<u8>(value);
            value >>= 8;
        }
    }
    void put32(u64 address, u32 value) {
        for (u8& byte : at(address, 4)) {
            byte = static_cast<u8>(value);
            value >>= 8;
        }
    }

  private:
    u64 base_;
    std::vector<u8> bytes_;
};

} // namespace ravelin::tools::txt

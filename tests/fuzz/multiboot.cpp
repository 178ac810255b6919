// SPDX-License-Identifier: Apache-2.0
// Hostile multiboot information of both versions; views stay inside the input.
#include <wire/multiboot.hpp>

#include <algorithm>
#include <memory>

using namespace ravelin;

namespace {

class Memory final : public wire::PhysicalReader {
  public:
    explicit Memory(std::span<const u8> bytes) : bytes_{bytes} {}
    Result<std::span<const u8>, wire::MultibootError> view(HostPhysical at, usize size) override {
        if (at.raw() > bytes_.size() || size > bytes_.size() - at.raw())
            return Failure{wire::MultibootError::unreadable};
        return bytes_.subspan(at.raw(), size);
    }
    std::span<const u8> view_up_to(HostPhysical at, usize limit) override {
        const usize start = std::min<u64>(at.raw(), bytes_.size());
        return bytes_.subspan(start, std::min(limit, bytes_.size() - start));
    }

  private:
    std::span<const u8> bytes_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const auto info = std::make_unique<wire::MultibootInfo>();
    (void)wire::decode_multiboot2({data, size}, *info);
    Memory memory{{data, size}};
    (void)wire::decode_multiboot1(memory, HostPhysical{0}, *info);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// The machine's physical memory as its firmware, chipset and code modules see it.
#pragma once

#include <base/int.hpp>
#include <tools/server/file_descriptor.hpp>

#include <optional>
#include <span>
#include <vector>

namespace ravelin::tools::txt {

class PhysicalMemory {
  public:
    virtual ~PhysicalMemory() = default;
    /// The bytes themselves; empty when any of them is no RAM. Whoever runs in the machine may
    /// change them meanwhile.
    [[nodiscard]] virtual std::span<u8> at(u64 address, u64 size) = 0;

    /// A copy; none when any of it is no RAM.
    [[nodiscard]] std::optional<std::vector<u8>> read(u64 address, u64 size);
    [[nodiscard]] std::optional<u32> read32(u64 address);
    [[nodiscard]] std::optional<u64> read64(u64 address);
    /// False, and nothing written, when any of it is no RAM.
    [[nodiscard]] bool write(u64 address, std::span<const u8> bytes);
};

/// A memfd that QEMU and we have mapped.
class SharedFile {
  public:
    SharedFile(const char* name, u64 size);
    SharedFile(const SharedFile&) = delete;
    SharedFile& operator=(const SharedFile&) = delete;
    ~SharedFile();

    [[nodiscard]] int descriptor() const { return file_.get(); }
    [[nodiscard]] std::span<u8> bytes() const { return bytes_; }
    /// All bytes zero, their memory given back to the host.
    void scrub();

  private:
    FileDescriptor file_;
    std::span<u8> bytes_;
};

/// The RAM of QEMU's q35: what does not fit below its PCI hole lies above 4 GiB. [QEMU, pc_q35.c]
class MachineMemory final : public PhysicalMemory {
  public:
    explicit MachineMemory(unsigned mib);

    [[nodiscard]] std::span<u8> at(u64 address, u64 size) override;
    [[nodiscard]] int descriptor() const { return file_.descriptor(); }
    /// The first address above the RAM that lies below 4 GiB.
    [[nodiscard]] u64 low_end() const { return low_end_; }
    [[nodiscard]] u64 high_size() const { return file_.bytes().size() - low_end_; }
    void scrub() { file_.scrub(); }

  private:
    SharedFile file_;
    u64 low_end_;
};

} // namespace ravelin::tools::txt

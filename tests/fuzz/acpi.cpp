// SPDX-License-Identifier: Apache-2.0
// Hostile ACPI: the input is physical memory from 0 up, with an RSDP wherever one is found.
#include <wire/acpi.hpp>

#include <cstdlib>
#include <memory>

using namespace ravelin;

namespace {

class Memory final : public wire::AcpiMemory {
  public:
    explicit Memory(std::span<const u8> bytes) : bytes_{bytes} {}
    Result<std::span<const u8>, wire::AcpiError> view(HostPhysical at, usize size) override {
        if (at.raw() > bytes_.size() || size > bytes_.size() - at.raw())
            return Failure{wire::AcpiError::unreadable};
        return bytes_.subspan(at.raw(), size);
    }

  private:
    std::span<const u8> bytes_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    const std::span<const u8> bytes{data, size};
    Memory memory{bytes};
    const auto tables = std::make_unique<wire::AcpiTables>();
    if (const auto at = wire::find_rsdp(bytes))
        (void)wire::discover_acpi(memory, HostPhysical{*at}, *tables);
    (void)wire::decode_madt(bytes);
    (void)wire::decode_mcfg(bytes);
    (void)wire::decode_fadt(bytes);
    (void)wire::find_soft_off(bytes);
    (void)wire::decode_tpm2_table(bytes);
    return 0;
}

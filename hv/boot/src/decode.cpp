// SPDX-License-Identifier: Apache-2.0
// Decoding on the machine: follows the loader's pointers through the direct map of the first 4 GiB.
#include "hv/boot/decode.hpp"

#include "efi.hpp"

#include <hv/mm/direct_map.hpp>

#include <algorithm>

namespace ravelin::hv::boot {
namespace {

/// The boot page tables map 4 GiB; multiboot's pointers have 32 bits.
class BootMemory final : public wire::PhysicalReader {
  public:
    Result<std::span<const u8>, wire::MultibootError> view(HostPhysical address,
                                                           usize size) override {
        if (address.raw() >= limit || size > limit - address.raw())
            return Failure{wire::MultibootError::unreadable};
        return std::span<const u8>{mm::direct_map_pointer<const u8>(address), size};
    }
    std::span<const u8> view_up_to(HostPhysical address, usize most) override {
        if (address.raw() >= limit)
            return {};
        return {mm::direct_map_pointer<const u8>(address),
                std::min<usize>(most, limit - address.raw())};
    }

  private:
    static constexpr u64 limit = u64{1} << 32;
};

/// Where the loader keeps its RSDP copy is as good as where the firmware has it, but ours must
/// outlive the loader's memory.
std::array<u8, 64> rsdp_copy;

Status<wire::MultibootError>
read(u32 magic, HostPhysical information, BootMemory& memory, wire::MultibootInfo& out) {
    if (magic == wire::multiboot1_magic)
        return wire::decode_multiboot1(memory, information, out);
    return wire::decode_multiboot2(memory.view_up_to(information, 1024 * 1024), out);
}

// Static, because it is larger than a stack frame should be; used by the boot CPU, once.
wire::MultibootInfo info;

} // namespace

Status<DecodeFailure> decode(u32 magic, HostPhysical information, BootInfo& out) {
    BootMemory memory;
    if (magic != wire::multiboot1_magic && magic != wire::multiboot2_magic)
        return Failure{DecodeFailure{DecodeError::unknown_loader}};
    const auto decoded = read(magic, information, memory, info);
    if (!decoded)
        return Failure{DecodeFailure{DecodeError::multiboot, decoded.error()}};
    (void)RAVELIN_TRY(fill(info, out));
    if (!info.rsdp.empty()) {
        std::copy_n(
            info.rsdp.begin(), std::min(info.rsdp.size(), rsdp_copy.size()), rsdp_copy.begin());
        // SAFETY: the image is loaded where it is linked, physical = virtual.
        out.rsdp = HostPhysical{reinterpret_cast<u64>(rsdp_copy.data())};
    }
    out.loader = magic == wire::multiboot1_magic ? Loader::multiboot1 : Loader::multiboot2_bios;
    if (info.efi_system_table) {
        const EfiHandover& efi = efi_handover();
        if (!efi.left_firmware)
            return Failure{DecodeFailure{DecodeError::firmware_did_not_end}};
        out.loader = Loader::multiboot2_efi;
        out.memory_map = efi.memory_map;
        if (efi.log_state == FirmwareLogState::taken)
            out.firmware_log = efi.log;
    }
    if (out.memory_map.empty())
        return Failure{DecodeFailure{DecodeError::no_memory_map}};
    return Unit{};
}

} // namespace ravelin::hv::boot

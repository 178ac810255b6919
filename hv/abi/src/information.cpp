// SPDX-License-Identifier: Apache-2.0
// xen_version and the small fixed answers. We are not Xen, but speak its ABI of version 4.17.
// [xen/version.h]
#include "call.hpp"

#include <algorithm>

namespace ravelin::hv::abi {
namespace {

constexpr i64 abi_version = 4 << 16 | 17;

/// Writes a NUL-terminated text; the rest of the guest's array stays as it was.
Outcome write_text(Call& call, std::string_view text) {
    const GuestVirtual to{call.arguments[1]};
    // SAFETY: char may alias any byte.
    const std::span bytes{reinterpret_cast<const u8*>(text.data()), text.size()};
    if (!call.vcpu.copy_out(to, bytes))
        return Failure{Errno::fault};
    (void)RAVELIN_TRY(call.write_at(to + text.size(), u8{0}));
    return i64{0};
}

} // namespace

Outcome version(Call&) {
    return abi_version;
}
Outcome extra_version(Call& call) {
    return write_text(call, "-ravelin");
}
Outcome capabilities(Call& call) {
    return write_text(call, "hvm-3.0-x86_64");
}
Outcome change_set(Call& call) {
    return write_text(call, "");
}
Outcome hypervisor_command_line(Call& call) {
    return write_text(call, "");
}
Outcome page_size_of_abi(Call&) {
    return i64{ravelin::page_size};
}

Outcome compile_info(Call& call) {
    xen_compile_info out{};
    constexpr std::string_view compiler = "Ravelin";
    std::copy(compiler.begin(), compiler.end(), out.compiler);
    (void)RAVELIN_TRY(call.write(1, out));
    return i64{0};
}

Outcome platform_parameters(Call& call) {
    (void)RAVELIN_TRY(call.write(1, xen_platform_parameters{}));
    return i64{0};
}

Outcome guest_handle(Call& call) {
    (void)RAVELIN_TRY(call.write(1, std::array<u8, 16>{}));
    return i64{0};
}

Outcome features(Call& call) {
    auto info = RAVELIN_TRY(call.read<xen_feature_info>(1));
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return Failure{Errno::invalid};
    // Without hvm_pirqs Linux drives MSI natively, which we trap. [xen/features.h]
    info.submap = 0;
    if (info.submap_idx == 0) {
        info.submap = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
                      1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock;
        if (call.domain.role() == domain::Role::domain0)
            info.submap |= 1u << XENFEAT_dom0;
    }
    (void)RAVELIN_TRY(call.write(1, info));
    return i64{0};
}

// Every assist is a paravirtual one that a PVH guest has by nature.
Outcome vm_assist(Call&) {
    return i64{0};
}
// Domain 0 tells us of devices that we gave it.
Outcome device_described(Call&) {
    return i64{0};
}

} // namespace ravelin::hv::abi

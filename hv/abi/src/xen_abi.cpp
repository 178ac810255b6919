// SPDX-License-Identifier: Apache-2.0
// Setting a domain's ABI state up, its CPUID leaves, and the hypercall page. [xen/arch-x86/cpuid.h]
#include "hv/abi/xen_abi.hpp"

#include "call.hpp"

#include <algorithm>
#include <bit>

namespace ravelin::hv::abi {
namespace {

constexpr u32 leaf_base = 0x40000000;
constexpr u32 hypercall_page_msr = 0x40000000;
constexpr u32 last_leaf = leaf_base + 5;
constexpr usize stub_size = 32;

/// mov $number, %eax; vmcall or vmmcall; ret. Either vendor's instruction is accepted on either
/// CPU, its own sooner.
void write_stub(std::span<u8> stub, u32 number, u8 opcode) {
    const auto raw = std::bit_cast<std::array<u8, 4>>(number);
    const std::array<u8, 9> code{0xb8, raw[0], raw[1], raw[2], raw[3], 0x0f, 0x01, opcode, 0xc3};
    std::fill(stub.begin(), stub.end(), u8{0xcc});
    std::copy(code.begin(), code.end(), stub.begin());
}

} // namespace

Status<SetUpError> XenAbi::set_up(domain::Domain& domain, DomainState& state, TableMemory& tables) {
    const auto page = tables.allocate();
    if (!page)
        return Failure{SetUpError::out_of_frames};
    state.shared_info = page.value();
    if (!state.grants.set_up(domain, tables, around_.frames, around_.dma)) {
        tables.release(state.shared_info);
        return Failure{SetUpError::out_of_frames};
    }
    state.balloon.set_up(domain, around_.frames, around_.dma);
    state.start_of_time = machine_.now().raw();
    // SAFETY: a page of the hypervisor's own, zeroed, that holds a shared_info.
    auto* shared = reinterpret_cast<shared_info*>(domain.memory().bytes(state.shared_info).data());
    shared->wc_version = 2;
    shared->wc_sec = static_cast<u32>(machine_.boot_time_seconds());
    shared->wc_sec_hi = static_cast<u32>(machine_.boot_time_seconds() >> 32);
    for (u16 i = 0; i < std::min<usize>(XEN_LEGACY_MAX_VCPUS, state.vcpus.size()); ++i)
        set_info(domain,
                 state.vcpus[i],
                 SharedPlace{state.shared_info, static_cast<u16>(i * sizeof(vcpu_info)), false});
    domain.set_abi_state(&state);
    state.delivery.attach(domain, domain.memory().bytes(state.shared_info));
    state.events.with([&](events::Channels& channels) {
        channels.initialise(domain.id(), tables, state.delivery);
    });
    for (domain::Vcpu* vcpu : domain.vcpus())
        publish_time(*this, domain, state, state.vcpus[vcpu->id().raw()]);
    return Unit{};
}

bool XenAbi::let_go(domain::Domain& domain) {
    constexpr u32 mappings_a_call = 64;
    DomainState& state = *domain.abi_state();
    if (!close_ports(*this, domain, EndOfPorts::teardown))
        return false;
    for (VcpuState& vcpu : state.vcpus) {
        vcpu.info_at = nullptr;
        unshare(*this, vcpu.info);
        unshare(*this, vcpu.time);
    }
    return state.grants.release_mappings(mappings_a_call) && state.grants.entries_in_use() == 0;
}

void XenAbi::tear_down(domain::Domain& domain, TableMemory& tables) {
    DomainState& state = *domain.abi_state();
    state.grants.tear_down();
    tables.release(state.shared_info);
    domain.set_abi_state(nullptr);
}

domain::CpuidResult XenAbi::cpuid(const domain::Vcpu& vcpu, u32 leaf, u32 subleaf) const {
    switch (leaf) {
    case leaf_base:
        return {
            last_leaf, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
    case leaf_base + 1:
        return {4 << 16 | 17, 0, 0, 0};
    case leaf_base + 2:
        return {1, hypercall_page_msr, 0, 0};
    case leaf_base + 3: {
        const u32 khz = static_cast<u32>(machine_.tsc_khz());
        if (subleaf == 0) {
            constexpr u32 never_emulate = 2;
            return {0, never_emulate, khz, 0};
        }
        return subleaf == 2 ? domain::CpuidResult{khz, 0, 0, 0} : domain::CpuidResult{};
    }
    case leaf_base + 4:
        return {XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT |
                    XEN_HVM_CPUID_UPCALL_VECTOR,
                vcpu.id().raw(),
                vcpu.domain().id().raw(),
                0};
    default:
        return {};
    }
}

domain::MsrOutcome XenAbi::write_msr(domain::Vcpu& vcpu, u32 msr, u64 value) {
    if (msr != hypercall_page_msr)
        return domain::MsrOutcome::general_protection;
    // Bits 11:0 number the page of the hypercall area; there is one.
    if ((value & (page_size - 1)) != 0)
        return domain::MsrOutcome::general_protection;
    const auto frame =
        vcpu.domain().memory().frame(GuestFrame::of(GuestPhysical{value}), Access::read_write);
    if (!frame)
        return domain::MsrOutcome::general_protection;
    const auto page = vcpu.domain().memory().bytes(frame.value());
    for (usize i = 0; i < page.size() / stub_size; ++i)
        write_stub(page.subspan(i * stub_size, stub_size),
                   static_cast<u32>(i),
                   vcpu.cpu().hypercall_opcode());
    return domain::MsrOutcome::done;
}

} // namespace ravelin::hv::abi

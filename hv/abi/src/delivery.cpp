// SPDX-License-Identifier: Apache-2.0
// Where a domain's raised ports are seen, and how pending ones become an interrupt. [xen/xen.h,
// struct shared_info]
#include "call.hpp"

namespace ravelin::hv::abi {
namespace {

static_assert(offsetof(shared_info, evtchn_pending) % sizeof(u64) == 0);
static_assert(offsetof(shared_info, evtchn_mask) % sizeof(u64) == 0);

vcpu_info* info_of(const domain::Domain& domain, VcpuId id) {
    const auto& vcpus = domain.abi_state()->vcpus;
    return id.raw() < vcpus.size() ? vcpus[id.raw()].info_at : nullptr;
}

} // namespace

void set_info(const domain::Domain& domain, VcpuState& vcpu, const SharedPlace& place) {
    vcpu.info = place;
    // SAFETY: share() checked that the structure lies in one frame of the domain's RAM, aligned;
    // the frame stays mapped until let_go() forgets it.
    vcpu.info_at =
        reinterpret_cast<vcpu_info*>(domain.memory().bytes(place.frame).data() + place.offset);
}

inline u64* Delivery::shared_word(usize offset) {
    // SAFETY: the page is the hypervisor's own and shown to the guest; the callers' offsets are
    // those of aligned words in it.
    return reinterpret_cast<u64*>(shared_ + offset);
}

u64* Delivery::pending_word(u32 index) {
    return shared_word(offsetof(shared_info, evtchn_pending)) + index;
}

u64* Delivery::mask_word(u32 index) {
    return shared_word(offsetof(shared_info, evtchn_mask)) + index;
}

void Delivery::notify(VcpuId id, u64 selected) {
    domain::Vcpu* const vcpu = domain_->vcpu(id);
    vcpu_info* const info = info_of(*domain_, id);
    if (vcpu == nullptr || info == nullptr)
        return;
    // The guest reads and clears both at the same time: atomic operations, no other use.
    if (selected != 0)
        __atomic_fetch_or(&info->evtchn_pending_sel, selected, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&info->evtchn_upcall_pending, u8{1}, __ATOMIC_SEQ_CST) == 0)
        vcpu->request_event_check();
}

void Delivery::raised() {
    domain_->wake_pollers();
}

std::span<u8, page_size> Delivery::bytes(HostFrame frame) {
    return domain_->memory().bytes(frame);
}

void XenAbi::deliver_events(domain::Vcpu& vcpu) {
    DomainState& state = *vcpu.domain().abi_state();
    VcpuState& own = state.vcpus[vcpu.id().raw()];
    const vcpu_info* info = info_of(vcpu.domain(), vcpu.id());
    if (info == nullptr || __atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) == 0)
        return;
    if (own.upcall_vector) {
        vcpu.lapic().request(*own.upcall_vector);
        return;
    }
    // HVM_PARAM_CALLBACK_IRQ of type "vector": bits 63:56 are 2. [xen/hvm/params.h]
    const u64 via = state.parameters[HVM_PARAM_CALLBACK_IRQ];
    constexpr unsigned type_shift = 56;
    if (via >> type_shift == HVM_PARAM_CALLBACK_TYPE_VECTOR)
        vcpu.set_upcall(Vector{static_cast<u8>(via)});
}

} // namespace ravelin::hv::abi

// SPDX-License-Identifier: Apache-2.0
#include <hv/domain/grace.hpp>
#include <hv/domain/vcpu.hpp>

namespace ravelin::hv::domain {

static_assert(Grace::most_vcpus >= Domain::max_vcpus);

void Grace::begin(const Domain& domain, const Vcpu* self) {
    constexpr u32 let_go = 1;
    running_ = true;
    for (const Vcpu* const vcpu : domain.vcpus())
        seen_[vcpu->id().raw()] = vcpu != self && vcpu->is_on_cpu() ? vcpu->entries() : let_go;
}

void Grace::advance(const Domain& domain) {
    if (!running_)
        return;
    for (const Vcpu* const vcpu : domain.vcpus()) {
        const u32 seen = seen_[vcpu->id().raw()];
        if (seen % 2 == 0 && vcpu->is_on_cpu() && vcpu->entries() == seen)
            return;
    }
    running_ = false;
    ++completed_;
}

u64 Grace::ticket(const Domain& domain, const Vcpu* self) {
    const LockGuard guard{lock_};
    advance(domain);
    if (running_)
        return completed_ + 2; // the one that runs began too early
    begin(domain, self);
    return completed_ + 1;
}

bool Grace::has_passed(const Domain& domain, u64 ticket, const Vcpu* self) {
    const LockGuard guard{lock_};
    advance(domain);
    if (completed_ < ticket && !running_) {
        begin(domain, self);
        advance(domain);
    }
    return completed_ >= ticket;
}

} // namespace ravelin::hv::domain

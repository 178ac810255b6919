// SPDX-License-Identifier: Apache-2.0
#include "back_end.hpp"

#include <base/ensure.hpp>
#include <hv/machine/timer.hpp>

namespace ravelin::hv {
namespace {

/// A guest that nothing else gets out of its run is looked at as often as a turn ends.
constexpr u64 longest_run_ns = 10'000'000;

/// The object of a kind that is certain, because HostCpu and GuestCpu are made together.
template <typename Kind, typename Variant> auto& the(Variant& variant) {
    auto* const kind = std::get_if<Kind>(&variant);
    ensure(kind != nullptr, "CPUs of two kinds");
    return *kind;
}

} // namespace

const char* HostCpu::enable(TableMemory& frames) {
    if (vmx::offered()) {
        const auto enabled =
            kind_.emplace<vmx::Host>().enable(frames, machine::nanoseconds_to_tsc(longest_run_ns));
        return enabled ? nullptr : vmx::describe(enabled.error());
    }
    const auto enabled = kind_.emplace<svm::Host>().enable(frames);
    return enabled ? nullptr : svm::describe(enabled.error());
}

stage2::Layout HostCpu::layout() const {
    if (const auto* host = std::get_if<vmx::Host>(&kind_))
        return host->layout();
    return {stage2::Format::nested_pages, the<svm::Host>(kind_).features().largest_page};
}

const char* HostCpu::name() const {
    return std::holds_alternative<vmx::Host>(kind_) ? "VMX with EPT" : "SVM with nested paging";
}

GuestCpu::GuestCpu(const HostCpu& host) {
    if (std::holds_alternative<vmx::Host>(host.kind_))
        interface_ = &kind_.emplace<vmx::VirtualCpu>();
    else
        interface_ = &kind_.emplace<svm::VirtualCpu>();
}

bool GuestCpu::initialise(HostCpu& host, TableMemory& frames, HostPhysical stage2_root) {
    if (auto* cpu = std::get_if<vmx::VirtualCpu>(&kind_))
        return cpu->initialise(the<vmx::Host>(host.kind_), frames, stage2_root).is_ok();
    return the<svm::VirtualCpu>(kind_)
        .initialise(the<svm::Host>(host.kind_), frames, stage2_root)
        .is_ok();
}

void GuestCpu::leave_when_spinning() {
    if (auto* cpu = std::get_if<vmx::VirtualCpu>(&kind_))
        return cpu->leave_when_spinning();
    the<svm::VirtualCpu>(kind_).leave_when_spinning();
}

void GuestCpu::release(TableMemory& frames) {
    if (auto* cpu = std::get_if<vmx::VirtualCpu>(&kind_))
        return cpu->release(frames);
    the<svm::VirtualCpu>(kind_).release(frames);
}

void GuestCpu::set_host(HostCpu& host) {
    if (auto* cpu = std::get_if<vmx::VirtualCpu>(&kind_))
        return cpu->set_host(the<vmx::Host>(host.kind_));
    the<svm::VirtualCpu>(kind_).set_host(the<svm::Host>(host.kind_));
}

} // namespace ravelin::hv

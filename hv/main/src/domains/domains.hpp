// SPDX-License-Identifier: Apache-2.0
// The domains of this machine: made, found by number, taken down. All of a domain's storage comes
// from the frame allocator and goes back to it.
#pragma once

#include <base/fixed_vector.hpp>
#include <base/result.hpp>
#include <hv/boot/boot_info.hpp>
#include <hv/builder/plan.hpp>
#include <hv/domain/cpuid_policy.hpp>
#include <hv/domain/directory.hpp>
#include <hv/domain/physical_cpu.hpp>
#include <wire/manifest.hpp>
#include <wire/statement.hpp>

#include <string_view>

namespace ravelin::hv {

namespace abi {
class XenAbi;
}
struct DomainStorage;

/// Why a domain was not made, in words.
struct Refusal {
    std::string_view what;
    std::string_view why;
};

constexpr usize max_domains = 64;

/// Turns the CPU's virtualisation on. Context: boot CPU, descriptor tables loaded.
[[nodiscard]] Status<Refusal> enable_virtualisation();

/// Creates and fills every domain of the manifest; none runs yet. Without DMA protection no domain
/// gets a device. Context: boot CPU, after everything was measured.
[[nodiscard]] Status<Refusal>
build_domains(const boot::BootInfo& info, const wire::Manifest& manifest, wire::DmaState dma);

/// Makes a domain without memory, paused once, that the directory finds. Any CPU.
[[nodiscard]] Status<Refusal> create_domain(const domain::Identity& identity, u32 vcpus);

/// Gives it memory, kernel, tables, devices, and its first vCPU the entry state. Once;
/// Domain::unpause() then starts it. After a refusal only destroy_domain() is left. Any CPU.
[[nodiscard]] Status<Refusal> fill_domain(DomainId id, const builder::Plan& plan);

enum class DestroyError : u8 {
    no_such_domain,
    has_devices, ///< DMA may still reach its memory
    in_use,      ///< a CPU or a reference is still there, they leave by themselves: call again
};
/// Stops a domain, and when nothing uses it any more gives back everything it had. From the first
/// call on the directory does not find it. Not for the domain that calls. Any CPU.
[[nodiscard]] Status<DestroyError> destroy_domain(DomainId id);

/// How an exit reaches another domain.
[[nodiscard]] domain::Directory& directory();
/// Every domain the directory finds, stopped ones too, in no order. Any CPU.
[[nodiscard]] FixedVector<DomainId, max_domains> domain_ids();

/// The storage of a domain, a dying one's too, or nullptr. It stays while the caller has a
/// reference to the domain, is one of its vCPUs, or is who destroys it.
[[nodiscard]] DomainStorage* find_storage(DomainId id);

/// Calls `visit` for each domain under the directory's lock, until it returns false.
using DomainVisitor = bool (*)(DomainStorage& storage, void* context);
void visit_domains(DomainVisitor visit, void* context);

/// The guest ABI, for events that start in the hypervisor. Valid after build_domains().
[[nodiscard]] abi::XenAbi& guest_abi();

} // namespace ravelin::hv

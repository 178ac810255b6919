// SPDX-License-Identifier: Apache-2.0
// The Xen PVH guest ABI, as the run loop sees it. What it needs of the machine and of the control
// interface comes in as parameters, so that all of it runs hosted under the tests.
#pragma once

#include <hv/abi/error.hpp>
#include <hv/abi/policy.hpp>
#include <hv/abi/state.hpp>
#include <hv/cpu/registers.hpp>
#include <hv/domain/directory.hpp>
#include <hv/domain/guest_abi.hpp>
#include <hv/domain/vcpu.hpp>

#include <span>
#include <string_view>

namespace ravelin::hv::abi {

/// The machine under the ABI.
class Machine {
  public:
    [[nodiscard]] virtual cpu::Tsc now() const = 0;
    [[nodiscard]] virtual u64 tsc_khz() const = 0;
    /// How long a domain's vCPUs had a CPU.
    [[nodiscard]] virtual u64 cpu_time_ns(const domain::Domain& domain) const = 0;
    /// Seconds since 1970 at TSC zero of `now()`'s counter minus uptime, i.e. at boot.
    [[nodiscard]] virtual u64 boot_time_seconds() const = 0;
    virtual void write_console(const domain::Domain& domain, std::string_view text) = 0;
    [[nodiscard]] virtual std::optional<char> read_console() = 0;

  protected:
    ~Machine() = default;
};

/// The control hypercall's other end. The request is a copy; returns the response's length or a
/// negative errno.
class ControlHandler {
  public:
    [[nodiscard]] virtual i64 control(domain::Vcpu& caller,
                                      u64 operation,
                                      std::span<const u8> request,
                                      std::span<u8> response) = 0;

  protected:
    ~ControlHandler() = default;
};

/// What the ABI reaches beyond the calling domain.
struct Surroundings {
    domain::Directory& directory;
    mm::FrameAllocator& frames;
    grants::DmaMirror& dma;
};

enum class SetUpError : u8 { out_of_frames };

class XenAbi final : public domain::GuestAbi {
  public:
    constexpr XenAbi(Machine& machine, ControlHandler* control, const Surroundings& around)
        : machine_{machine}, control_{control}, around_{around} {}

    /// Gives a domain its shared pages and its state. `tables` provides the frames; they stay the
    /// hypervisor's.
    [[nodiscard]] Status<SetUpError>
    set_up(domain::Domain& domain, DomainState& state, TableMemory& tables);
    /// Teardown, when no vCPU of the domain runs any more: closes its ports, so that its peers'
    /// are unbound, and undoes what it holds of others' memory, a bounded part a call. True when
    /// that is done and no other domain uses its memory either; until then its frames and its state
    /// stay.
    [[nodiscard]] bool let_go(domain::Domain& domain);
    /// After let_go() was true: gives back to `tables` what set_up() and the grant table took.
    void tear_down(domain::Domain& domain, TableMemory& tables);

    [[nodiscard]] i64 hypercall(domain::Vcpu& vcpu,
                                const domain::HypercallArguments& arguments) override;
    [[nodiscard]] domain::CpuidResult
    cpuid(const domain::Vcpu& vcpu, u32 leaf, u32 subleaf) const override;
    [[nodiscard]] domain::MsrOutcome write_msr(domain::Vcpu& vcpu, u32 msr, u64 value) override;
    void timer_expired(domain::Vcpu& vcpu) override;
    void deliver_events(domain::Vcpu& vcpu) override;
    void turn_begins(domain::Vcpu& vcpu) override;

    /// Raises a virtual interrupt that exists once per domain, e.g. VIRQ_CONSOLE. Any CPU.
    void raise_virtual_interrupt(domain::Domain& domain, u32 virq);

    /// A port of `domain` that `remote` may bind, made on the domain's behalf before it runs: the
    /// store's. Any CPU.
    [[nodiscard]] Result<EventPort, Errno> allocate_port(domain::Domain& domain, DomainId remote);
    /// A port of `domain` whose other end is the hypervisor: what the domain sends there goes to
    /// `consumer`, which outlives the domain. The domain cannot close it. Any CPU.
    [[nodiscard]] Result<EventPort, Errno>
    allocate_hypervisor_port(domain::Domain& domain, events::HypervisorPort& consumer);
    /// Sends on such a port towards the domain. Any CPU.
    void notify(domain::Domain& domain, EventPort port);

    [[nodiscard]] Machine& machine() { return machine_; }
    [[nodiscard]] ControlHandler* control() { return control_; }
    [[nodiscard]] const Surroundings& around() const { return around_; }

  private:
    Machine& machine_;
    ControlHandler* control_;
    Surroundings around_;
};

} // namespace ravelin::hv::abi
